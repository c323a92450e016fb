"""Begin an external copy of the ledger in ERASURE_LEDGER_DIR, with every record that the database holds.

Once, when the copy is set up; and when a copy is lost or is another ledger's: its folder is then set again, or the file
moved away by hand. None is ever overwritten. That it was begun is a record of the ledger itself, so that nobody does
it in silence: what only a lost copy knew, such as erasures since a restored backup, is not known any more.

Exit code 0: it is begun. Exit code 1: refused, and the reason is said; nothing was changed.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anonymization import restoration
from anonymization.ledger.chain import BrokenChain
from anonymization.ledger.recording import ErasureRefused, Requester
from anonymization.models import Source


class Command(BaseCommand):
    help = "Begin an external copy of the ledger of erasures."
    requires_migrations_checks = True

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            record = restoration.begin_copy(requester=Requester(Source.COMMAND))
        except (restoration.NoCopy, BrokenChain, FileExistsError, ErasureRefused) as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"The external copy holds {record.number} records. Head: {record.entry.head}")
