"""Give up the external copy of the ledger: processes without ERASURE_LEDGER_DIR may erase again.

Once ``begin_ledger_copy`` has created a copy, a process without ERASURE_LEDGER_DIR refuses to
erase, because its erasures would be missing in the copy. Run this command only if the installation
is to have no copy any more. Remove ERASURE_LEDGER_DIR from all processes first. The file is kept.

The command appends a record to the ledger, so that nobody can give up the copy unnoticed.

Exit codes:

- 0: given up
- 1: refused, with the reason; nothing was changed
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from anonymization import restoration
from anonymization.ledger.recording import ErasureRefused, Requester
from anonymization.models import Source
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Give up the external copy of the erasure ledger."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            record = restoration.end_copy(requester=Requester(Source.COMMAND))
        except (restoration.NoCopy, restoration.StillSet, ErasureRefused) as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Recorded as record {record.number}. The installation has no copy now.")
