"""Verify the erasure ledger: the database, its external copy, and a saved latest ledger hash.

    manage.py verify_ledger                          the copy in ERASURE_LEDGER_DIR, if configured
    manage.py verify_ledger --outside FILE           another copy, for example from a backup
    manage.py verify_ledger --head 118:9f86…[:…]     the output of ledger_head, saved earlier

The chain itself reveals a changed, removed, replaced or inserted record. Only the external copy or
a saved latest ledger hash reveals that the newest records were removed, or that all hashes were
computed again. Clear facts of a record are compared with their hash, as long as they are stored.
Rows that are marked as anonymized without a record are counted. The history of settings is compared
with the hashes in the ledger.

Then verifies the evidence of consent: the HMAC of each consent event, the anchors that
anchor_evidence stored, and that sessions and events agree on the withdrawals. The events are read
in chunks. The first event or session that is not genuine is printed with the reason.

Stores the times and the results for /readyz and the home page, unless --outside or
--without-outside is given. Changes nothing else.

Exit codes:

- 0: valid
- 1: invalid (prints the first invalid record, event or session), or something cannot be read
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from anonymization import runs
from anonymization.ledger import external_copy, recording, verification
from anonymization.ledger.chain import BrokenChain, Entry
from anonymization.models import Job, LedgerState
from anonymization.restoration import explain_unreadable
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
        everything = not (options["outside"] or options["without_outside"])
        if everything and recording.lacks_setting():
            raise CommandError(
                "An external copy of the ledger exists, but ERASURE_LEDGER_DIR is not set. "
                "Set it, or verify the database alone: --without-outside."
            )
        try:
            self._verify(options)
        except (BrokenChain, external_copy.Unreadable, _Invalid) as wrong:
            if everything:
                LedgerState.change(failed_at=timezone.now())
            raise CommandError(str(wrong)) from None
        except ValueError as wrong:
            raise CommandError(str(wrong)) from None
        if everything:
            LedgerState.change(verified_at=timezone.now(), failed_at=None)
        for job, check in verification.further_checks():
            self._check(job, check, store=everything)

    def _verify(self, options: dict[str, Any]) -> None:
        path = None if options["without_outside"] else options["outside"] or external_copy.file_of()
        published = verification.read_head(options["head"]) if options["head"] else None
        verified = verification.verify_database(published=published)
        verification.verify_facts()
        unsealed = self._compare(verified.entries, path) if path else 0
        if marks := verification.unrecorded_marks(verified):
            raise _Invalid(f"{marks} rows are marked as anonymized without a record.")
        number, facts = len(verified.entries), verified.with_facts
        self.stdout.write(f"The ledger is valid: {number} records. Latest hash: {verified.head}")
        self.stdout.write(f"Clear facts verified: {facts}. Not stored any more: {number - facts}.")
        if unsealed:
            self.stdout.write(
                f"Intents in the copy without a seal: {unsealed}. See docs/ledger.md, Crash."
            )

    def _check(self, job: Job, check: Callable[[], str], *, store: bool) -> None:
        try:
            self.stdout.write(check())
        except (BrokenChain, verification.NotGenuine) as wrong:
            if store:
                runs.record(job, good=False)
            raise CommandError(str(wrong)) from None
        if store:
            runs.record(job)

    def _compare(self, entries: list[Entry], path: Path) -> int:
        try:
            contents = external_copy.read(path)
        except OSError as error:
            raise _Invalid(explain_unreadable(error, path=path)) from None
        verification.compare(entries, contents)
        return len(contents.unsealed)


class _Invalid(Exception):
    """The ledger is invalid, or the external copy cannot be read."""
