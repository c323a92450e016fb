"""Verify the erasure ledger: the database, its external copy, and a saved latest ledger hash.

    manage.py verify_ledger                          the copy in ERASURE_LEDGER_DIR, if configured
    manage.py verify_ledger --outside FILE           another copy, for example from a backup
    manage.py verify_ledger --head 118:9f86…[:…]     the output of ledger_head, saved earlier

The chain itself reveals a changed, removed, replaced or inserted record. Only the external copy or
a saved latest ledger hash reveals that the newest records were removed, or that all hashes were
computed again. Changes nothing.

Exit codes:

- 0: valid
- 1: invalid (prints the first invalid record), or something cannot be read
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from anonymization.ledger import external_copy, verification
from anonymization.ledger.chain import BrokenChain, Head
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Verify the erasure ledger and print the first invalid record."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--outside",
            metavar="FILE",
            type=Path,
            help="compare this external copy",
        )
        parser.add_argument(
            "--without-outside",
            action="store_true",
            help="verify the database only",
        )
        parser.add_argument("--head", metavar="HEAD", help="a latest ledger hash from ledger_head")

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
