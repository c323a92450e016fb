"""Create an external copy of the ledger in ERASURE_LEDGER_DIR, with all records of the database.

Run it once to set up the external copy. Run it again if the copy is lost or belongs to another
ledger, after you set another folder or moved the file away. An existing copy is never overwritten.

The command appends a record to the ledger, so that nobody can create a copy unnoticed. Erasures
that only the lost copy had, for example those since a restored backup, are no longer known.

If root runs the command, the file gets the owner of the folder, so that the service account can
append to it. From then on, a process without ERASURE_LEDGER_DIR refuses to erase, see
``end_ledger_copy``.

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
        except (
            restoration.NoCopy,
            restoration.WrongOwner,
            BrokenChain,
            FileExistsError,
            ErasureRefused,
        ) as refusal:
            raise CommandError(str(refusal)) from None
        if shared := restoration.shared_folder():
            self.stderr.write(
                f"Warning: ERASURE_LEDGER_DIR and {shared} share a folder. A restored backup would "
                "restore the copy too. Use a folder of another volume."
            )
        self.stdout.write(
            f"The external copy has {record.number} records. Latest hash: {record.entry.head}"
        )
