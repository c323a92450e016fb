"""Anonymize the sessions that are older than their WebChat keeps them (Settings > WebChat > General). For cron.

    manage.py anonymize_expired              all that is due today
    manage.py anonymize_expired --dry-run    says how many, and changes nothing
    manage.py anonymize_expired --limit 500  no more than so many

Older is meant in days of TIME_ZONE: what ended (or, without an end, started) on day D in a WebChat that keeps sessions
for N days is due when day D + N is over, at midnight. Open conversations are left alone and counted.

Each session is anonymized as by *Anonymize session*, with a record of its own. The oldest go first, in transactions
of at most 1,000, none of which is meant to last longer than 0.3 seconds. Safe to kill, to repeat and to run twice at
once: runs share the work on PostgreSQL and take turns on SQLite. What another transaction holds is left to the next.

Since what is erased is gone, nothing is while the clock is not believed: when it stands before the newest record of the
ledger or before the last completed run, or more than 7 days after that run: cron was off, an older backup was restored,
or the clock jumped. Is it right nevertheless, say so once by ``--clock-is-right``. A run is completed when nothing else
is due or its ``--limit`` is reached. It is noted with the moment at which it began: then the clock was believed, and
that day is meant by all that it does. A run that is refused, killed or dry notes nothing.

Before the first run ever the clock is compared with what else is known to have happened: log-ins of staff,
publications, WebChats added, and sessions and erasures but those of the last 24 hours, which a clock that jumped would
have dated wrong too.

Exit code 0: done; also when nothing was due. Exit code 1: refused, by the clock or the ledger; what was done before
stays done. Prints numbers and ids of WebChats.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from anonymization.ledger.recording import ErasureRefused
from anonymization.models import FileDeletion
from sessions_app import retention


def positive(text: str) -> int:
    """Return a whole number above 0.

    Raises:
        ArgumentTypeError: that is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("give a whole number above 0")
    return int(text)


class Command(BaseCommand):
    help = "Anonymize the sessions that are older than their WebChat keeps them."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say how many are due; change nothing.")
        parser.add_argument("--limit", type=positive, metavar="N", help="Anonymize at most so many sessions.")
        parser.add_argument("--json", action="store_true", help="Print the result as one JSON object.")
        parser.add_argument(
            "--clock-is-right", action="store_true", help="Believe the clock, whatever the database knows."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Asked once: what was believed decides for the whole run.
        now = timezone.now()
        problem = "" if options["clock_is_right"] else retention.clock_problem(now)
        if problem:
            raise CommandError(f"{problem} Nothing was anonymized. If it is right: --clock-is-right.")
        today = timezone.localdate(now)
        due = retention.due(on=today)
        done = dict.fromkeys(due, 0)
        held = 0 if options["dry_run"] else self._anonymize(now, done, sum(due.values()), options["limit"])
        result = {
            "result": "would anonymize" if options["dry_run"] else "anonymized",
            "sessions": sum((due if options["dry_run"] else done).values()),
            "webchats": due if options["dry_run"] else done,
            "held": held,
            "open": retention.open_and_old(on=today),
            "pending_files": FileDeletion.objects.exclude(erasure=None).count(),
        }
        self.stdout.write(json.dumps(result) if options["json"] else _sentence(result))

    def _anonymize(self, now: datetime, done: dict[int, int], due: int, limit: int | None) -> int:
        """Do it, count in ``done`` by WebChat, and return how many sessions somebody else held."""
        held = 0
        total = due if limit is None else min(due, limit)
        with tqdm(total=total, unit=" sessions", disable=None) as bar:
            try:
                for chunk in retention.anonymize_expired(now=now, limit=limit):
                    done[chunk.webchat] = done.get(chunk.webchat, 0) + chunk.anonymized
                    held += chunk.held
                    bar.update(chunk.anonymized)
            except ErasureRefused as refusal:
                raise CommandError(f"{refusal} Anonymized before: {sum(done.values())}.") from None
        return held


def _sentence(result: dict[str, Any]) -> str:
    by_webchat = ", ".join(f"WebChat {pk}: {count}" for pk, count in result["webchats"].items())
    return (
        f"{result['result'].capitalize()}: {result['sessions']} ({by_webchat or 'no WebChat has a period'}). "
        f"Held by others: {result['held']}. Old but open: {result['open']}. "
        f"Files to delete: {result['pending_files']}."
    )
