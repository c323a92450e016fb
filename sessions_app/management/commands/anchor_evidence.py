"""Store a hash of the new consent events in the erasure ledger. For cron, each night.

    manage.py anchor_evidence            anchors the events since the last run
    manage.py anchor_evidence --json     prints the result as one JSON object
    manage.py anchor_evidence --key-is-lost   records that a former EVIDENCE_KEY is lost for good

Later additions, removals and changes of the events are then found by verify_ledger. The command
checks the HMAC of each new event first, and anchors nothing if one is not genuine. When a period of
ERASURE_TIME_PRECISION is over, its anchors are merged to one. Without a new event, nothing is
stored.

The command can be repeated and killed. Visitors do not wait for it: it waits at most 30 seconds for
transactions that are storing an event. It changes nothing but the anchors and the ledger.

Exit codes:

- 0: done, or nothing new
- 1: an event is not genuine (prints the first one), an anchor was changed, the ledger cannot be
  written, or a transaction stayed open; nothing was anchored
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from anonymization import runs
from anonymization.ledger.chain import BrokenChain
from anonymization.ledger.recording import ErasureRefused, Unsettled
from anonymization.ledger.verification import NotGenuine
from anonymization.models import Job
from lib.commands import MigratedCommand
from sessions_app.evidence.anchors import NotAnchored, anchor, record_lost_key


class Command(MigratedCommand):
    help = "Store a hash of the new consent events in the erasure ledger."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object."
        )
        parser.add_argument(
            "--key-is-lost",
            action="store_true",
            help="Record that a key of older events is lost for good.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lost = record_lost_key() if options["key_is_lost"] else 0
            done = anchor()
        except (NotGenuine, BrokenChain, NotAnchored, ErasureRefused, Unsettled) as refusal:
            runs.record(Job.ANCHOR, good=False)
            raise CommandError(f"{refusal} Nothing was anchored.") from None
        runs.record(Job.ANCHOR)
        if options["json"]:
            told = {"key_lost": lost} if options["key_is_lost"] else {}
            self.stdout.write(json.dumps(done._asdict() | told))
        else:
            if options["key_is_lost"]:
                self.stdout.write(
                    f"Events with a lost key, from now on verified by the ledger alone: {lost}."
                )
            self.stdout.write(f"Anchored events: {done.events}. Merged anchors: {done.merged}.")
