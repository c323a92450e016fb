"""Replay erasures after a restored backup, and import the records that the database lost.

    manage.py replay_erasures --dry-run     count the missing records and their subjects
    manage.py replay_erasures

Reads the external copy of the ledger (ERASURE_LEDGER_DIR). The records of the database must be its
beginning, otherwise nothing is changed. Subjects are found by the hash of their random identifier,
never by a primary key. Guests and sessions that were created after the restore are not touched.
Missing records are imported unchanged, and one record is appended about the replay. Each record is
imported in its own transaction: an interrupted run can be restarted and continues after the last
imported record. The command can be repeated.

Exit codes:

- 0: nothing is missing (any more)
- 1: refused, with the reason; erasures that were already replayed are kept
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from anonymization import restoration
from anonymization.ledger import external_copy
from anonymization.ledger.chain import BrokenChain
from anonymization.ledger.recording import ErasureRefused, Requester
from anonymization.models import Source
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Replay erasures after a restored backup."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count the missing erasures; change nothing.",
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            planned = restoration.plan()
            if not options["dry_run"]:
                with tqdm(total=len(planned.entries), unit=" records", disable=None) as bar:
                    restoration.carry_out(
                        planned, requester=Requester(Source.COMMAND), done=bar.update
                    )
        except (
            restoration.NoCopy,
            BrokenChain,
            external_copy.Unreadable,
            ErasureRefused,
        ) as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(restoration.explain_unreadable(error)) from None
        self._print(planned, options)

    def _print(self, planned: restoration.Plan, options: dict[str, Any]) -> None:
        numbers = {
            "records": len(planned.missing),
            "unfinished": len(planned.unfinished),
            "subjects": len(planned.subjects),
            "dry_run": options["dry_run"],
        }
        if options["json"]:
            self.stdout.write(json.dumps(numbers))
            return
        done = "are missing" if options["dry_run"] else "were imported"
        self.stdout.write(
            f"{numbers['records']} records {done}; {numbers['unfinished']} erasures were begun and never ended. "
            f"Subjects of them in the database: {numbers['subjects']}."
        )
