"""Verify the ledger of erasures: every record in the database, the external copy, and a head published earlier.

    manage.py verify_ledger                          the external copy in ERASURE_LEDGER_DIR, where one is kept
    manage.py verify_ledger --outside FILE           another copy, such as one from a backup
    manage.py verify_ledger --head 118:9f86…[:…]     what ledger_head printed, and was kept elsewhere

An edited, removed, exchanged or inserted record is found by the chain itself; a tail that was cut off, or a history
that was computed again, by the external copy or by a head. Changes nothing. Exit code 0: it holds. Exit code 1: it does
not, and the first bad record is named, or something can't be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.ledger import external_copy, verification
from anonymization.ledger.chain import BrokenChain, Head


class Command(BaseCommand):
    help = "Verify the ledger of erasures and name the first record that is wrong."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--outside", metavar="FILE", type=Path, help="this external copy")
        parser.add_argument("--without-outside", action="store_true", help="the database alone")
        parser.add_argument("--head", metavar="HEAD", help="what ledger_head printed earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        path = None if options["without_outside"] else options["outside"] or external_copy.file_of()
        try:
            published = verification.read_head(options["head"]) if options["head"] else None
            entries = verification.verify_database(published=published)
            unsealed = self._compare(entries, path) if path else 0
        except (BrokenChain, ValueError, external_copy.Unreadable) as wrong:
            raise CommandError(str(wrong)) from None
        head = entries[-1].head if entries else Head()
        self.stdout.write(f"The ledger holds: {len(entries)} records. Head: {head}")
        if unsealed:
            self.stdout.write(
                f"{unsealed} intents outside were not sealed; on replay each counts as an erasure."
            )

    def _compare(self, entries: list[Any], path: Path) -> int:
        try:
            contents = external_copy.read(path)
        except OSError as error:
            raise CommandError(f"The external copy can't be read: {error.strerror}.") from None
        verification.compare(entries, contents)
        return len(contents.unsealed)
