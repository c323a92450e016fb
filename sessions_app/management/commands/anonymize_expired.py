"""Anonymize the sessions whose WebChat's retention period (Settings > WebChat > General) is over.

    manage.py anonymize_expired              anonymizes all sessions that are due today
    manage.py anonymize_expired --dry-run    prints how many are due, and changes nothing
    manage.py anonymize_expired --limit 500  anonymizes at most this many

Run it from cron. Age is counted in days of TIME_ZONE. A session that ended (or, without an end,
started) on day D in a WebChat with a retention period of N days is due when day D + N is over, at
midnight. Sessions under a legal hold are not anonymized, only counted.

First, open conversations without a message for 24 hours are ended, as abandoned, at the time of
their last sign. Those that are then due are anonymized in the same run. ``--dry-run`` prints both
numbers, for example before an upgrade. The event streams end abandoned conversations too, and
earlier.

Each session is anonymized as by *Anonymize session*, with a separate erasure record. The oldest
sessions come first, in transactions of at most 1,000 sessions and a target of at most 0.3 seconds.
The command can be killed, repeated and run concurrently. Concurrent runs share the work on
PostgreSQL and wait for each other on SQLite. Sessions that another transaction has locked are tried
again for some seconds and then left to the next run. A run that anonymized sessions appends a
summary to the erasure ledger: the number and the period in force, by WebChat. A run that was killed
leaves no summary. The next run prints this, and its own summary says so.

Because an anonymization cannot be undone, the command refuses to run when the clock seems wrong. It
seems wrong if it is earlier than the newest record of the ledger or the last completed run, or more
than 7 days after that run. Possible causes: cron was off, an older backup was restored, or the
clock jumped. If the clock is right nevertheless, run the command once with ``--clock-is-right``. A
run is completed when nothing more is due or its ``--limit`` is reached. The command then stores the
time at which the run began. The clock was checked at that time, and its day applies to the whole
run. A run that is refused, killed or dry stores nothing.

Before the first run, the clock is compared with other known events: staff logins, publications,
added WebChats, sessions and erasures. Sessions and erasures of the last 24 hours do not count,
because a clock that jumped would have given them wrong times too.

Exit code 0: done, also if nothing was due or the limit was reached. Exit code 1: refused because of
the clock or the ledger, or a due session was left because it is locked; sessions anonymized before
are committed. The command prints only numbers and ids of WebChats.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from anonymization import runs
from anonymization.ledger.recording import ErasureRefused, Unsettled
from anonymization.models import FileDeletion, Job
from lib.commands import MigratedCommand
from sessions_app import abandonment, retention


def positive(text: str) -> int:
    """Parse a whole number greater than zero.

    Raises:
        ArgumentTypeError: The text is not a whole number, or the number is less than 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("give a whole number above 0")
    return int(text)


class Command(MigratedCommand):
    help = "Anonymize the sessions whose retention period has expired."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Count the due sessions; change nothing."
        )
        parser.add_argument(
            "--limit", type=positive, metavar="N", help="Anonymize at most N sessions."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object."
        )
        parser.add_argument(
            "--clock-is-right",
            action="store_true",
            help="Skip the check of the clock.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # The clock is read once, because the time that passed the check applies to the whole run.
        now = timezone.now()
        problem = "" if options["clock_is_right"] else retention.clock_problem(now)
        today = timezone.localdate(now)
        dry, limit = options["dry_run"], options["limit"]
        if problem:
            self._store_failure(dry=dry)
            raise CommandError(
                f"{problem} Nothing was anonymized. If the clock is right, add --clock-is-right."
            )
        if not dry and (since := runs.unfinished_since(Job.RETENTION)):
            # On the error stream, so that cron mails it.
            self.stderr.write(_unfinished(since))
        silent = abandonment.abandoned(now=now, trusted_since=None)
        left_open = silent.count() if dry else len(abandonment.sweep(now=now, trusted_since=None))
        abandoned_due = retention.due_if_ended(now=now) if dry else 0
        due = retention.due(on=today)
        done = due if dry else self._anonymize(now, dict.fromkeys(due, 0), due, limit)
        sessions = sum(done.values())
        # What is still due after a whole run is locked. After a limited one it may just be left.
        is_whole = not dry and (limit is None or sessions < limit)
        result = {
            "result": "would anonymize" if dry else "anonymized",
            "sessions": sessions,
            "webchats": done,
            "locked": sum(retention.due(on=today).values()) if is_whole else 0,
            "held": retention.held_and_old(on=today),
            "abandoned": left_open,
            "abandoned_due": abandoned_due,
            "pending_files": FileDeletion.objects.exclude(erasure=None).count(),
        }
        self.stdout.write(json.dumps(result) if options["json"] else _sentence(result))
        if result["locked"]:
            self._store_failure(dry=dry)
            raise CommandError(f"{result['locked']} sessions are due but locked. Run it again.")

    def _anonymize(
        self, now: datetime, done: dict[int, int], due: dict[int, int], limit: int | None
    ) -> dict[int, int]:
        """Anonymize the due sessions and return their numbers by WebChat.

        Raises:
            CommandError: The ledger refused an erasure.
        """
        count = sum(due.values())
        total = count if limit is None else min(count, limit)
        with tqdm(total=total, unit=" sessions", disable=None) as bar:
            try:
                for chunk in retention.anonymize_expired(now=now, limit=limit):
                    done[chunk.webchat] = done.get(chunk.webchat, 0) + chunk.anonymized
                    bar.update(chunk.anonymized)
            except (ErasureRefused, Unsettled) as refusal:
                self._store_failure()
                raise CommandError(f"{refusal} Anonymized before: {sum(done.values())}.") from None
        return done

    def _store_failure(self, *, dry: bool = False) -> None:
        """Store that the run failed, for the home page, erasure_status and /readyz?verbose."""
        if not dry:
            runs.record(Job.RETENTION, good=False)


def _unfinished(since: datetime) -> str:
    moment = timezone.localtime(since).isoformat(" ", "minutes")
    return (
        f"The run that began at {moment} has not finished: it was killed, it failed, or it still runs. "
        "Each of its erasures has a record. Its number of sessions is in no summary of a run."
    )


def _sentence(result: dict[str, Any]) -> str:
    by_webchat = ", ".join(f"WebChat {pk}: {count}" for pk, count in result["webchats"].items())
    return (
        f"{result['result'].capitalize()}: {result['sessions']} ({by_webchat or 'no WebChat has a retention period'}). "
        f"Locked by others: {result['locked']}. Under a legal hold: {result['held']}. {_abandoned(result)} "
        f"Files to delete: {result['pending_files']}."
    )


def _abandoned(result: dict[str, Any]) -> str:
    if result["result"] == "anonymized":
        return f"Abandoned conversations ended before: {result['abandoned']}."
    return (
        f"Abandoned conversations that would be ended first: {result['abandoned']}, "
        f"of them also due: {result['abandoned_due']}."
    )
