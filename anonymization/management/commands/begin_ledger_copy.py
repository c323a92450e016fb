"""Create an external copy of the ledger in ERASURE_LEDGER_DIR, with all records of the database.

Run it once to set up the external copy. Run it again if the copy is lost or belongs to another
ledger, after you set another folder or moved the file away. An existing copy is never overwritten.

The command appends a record to the ledger, so that nobody can create a copy unnoticed. Erasures
that only the lost copy had, for example those since a restored backup, are no longer known.

Exit codes:

- 0: created
- 1: refused, with the reason; nothing was changed
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from anonymization import restoration
from anonymization.ledger.chain import BrokenChain
from anonymization.ledger.recording import ErasureRefused, Requester
from anonymization.models import Source
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Create an external copy of the erasure ledger."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            record = restoration.begin_copy(requester=Requester(Source.COMMAND))
        except (restoration.NoCopy, BrokenChain, FileExistsError, ErasureRefused) as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"The external copy holds {record.number} records. Head: {record.entry.head}"
        )
