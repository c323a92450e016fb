"""Clear values of anonymized records that the present policy no longer allows.

Run it after a field moved from ``keep`` to ``erase`` in an ``erasure.py``, or after
ERASURE_TIME_PRECISION became coarser. ``migrate`` and ``check --database default`` name such rows
(anonymization.E014).

The command first adds a note with the number of rows to the erasure ledger. It then clears the
values in chunks of 1,000 rows. It adds nothing and makes nothing finer: with a policy that erases
less, or a finer precision, nothing is done. It can be interrupted and repeated. The cleared values
remain in the database files until ``maintain`` (PostgreSQL: ``maintain --rewrite``), and in old
backups.

Exit codes:

- 0: done, or nothing to do
- 1: refused, with the reason; nothing was changed
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from anonymization import stricter
from anonymization.ledger.recording import ErasureRefused, Requester
from anonymization.models import Source
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Apply a stricter policy to records that were anonymized earlier."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Count the rows; change nothing."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        fields = stricter.count(stricter.gaps())
        changed = {} if options["dry_run"] else self._apply()
        if options["json"]:
            self.stdout.write(json.dumps({"found": fields, "changed": changed}))
            return
        for name, rows in fields.items():
            self.stdout.write(f"{name}: {rows}")
        if not fields:
            self.stdout.write("All anonymized records match the policy.")
        elif not options["dry_run"]:
            self.stdout.write(f"Changed records: {sum(changed.values())}.")

    def _apply(self) -> dict[str, int]:
        requester = Requester(Source.COMMAND)
        try:
            with tqdm(unit=" rows", disable=None) as bar:
                return stricter.apply(requester=requester, progress=bar.update)
        except ErasureRefused as refusal:
            raise CommandError(str(refusal)) from None
