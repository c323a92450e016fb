"""Remove erased data from the database files, so that nobody can read it there. For cron.

    manage.py maintain               SQLite: VACUUM, truncate the write-ahead log
                                     PostgreSQL: renew the statistics, and hide in xmin which
                                     rows one erasure changed, when its period is over
    manage.py maintain --rewrite     PostgreSQL: also rewrite the tables that erasures change and
                                     pg_statistic; anonymized rows in the order of their keys

A rewrite locks each table while it is copied: run it when there is little traffic. The run waits at
most --wait seconds for a lock, so that the chat waits at most that long before the run begins.

On PostgreSQL the role must own the database. Otherwise the run does what the role may do, prints
the skipped tables and the statement that a superuser must run once, and completes no erasure. If it
does not own a table with anonymized rows, the table is rewritten in the order of its rows. The
record of each erasure shows whether it is physically complete. The command can be repeated.

Exit codes:

- 0: done, as far as the role may
- 1: something is left, with the reason; run the command again
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from anonymization import runs
from anonymization.maintenance import (
    WAIT,
    Unfinished,
    erased_since_last_run,
    maintain,
    statement_for_a_superuser,
)
from anonymization.models import Job
from lib.commands import MigratedCommand


def _seconds(text: str) -> float:
    """Return seconds. They are limited, since the database counts milliseconds in 32 bits.

    Raises:
        ArgumentTypeError: that is no number, or more than a day.
    """
    with suppress(ValueError):
        if (seconds := float(text)) <= 86400:
            return max(0.0, seconds)
    raise ArgumentTypeError("give seconds, at most 86400")


class Command(MigratedCommand):
    help = "Remove erased data from the database files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rewrite", action="store_true", help="PostgreSQL: rewrite the tables."
        )
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=WAIT.total_seconds(),
            metavar="SECONDS",
            help="the maximum time to wait for locks and readers",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        wait = timedelta(seconds=options["wait"])
        try:
            outcome = maintain(rewrite=options["rewrite"], wait=wait)
        except Unfinished as reason:
            runs.record(Job.MAINTENANCE, good=False)
            raise CommandError(f"Pending: {reason}") from None
        if outcome.run.rewritten and not outcome.skipped:
            runs.record(Job.MAINTENANCE)
        pending = erased_since_last_run().count()
        statements = [statement_for_a_superuser()] if outcome.skipped else []
        if options["json"]:
            report = {
                "rewritten": outcome.run.rewritten,
                "not_physically_complete": pending,
                "skipped": outcome.skipped,
                "not_in_key_order": outcome.unordered,
                "left_for_superuser": statements,
            }
            self.stdout.write(json.dumps(report))
        else:
            done = "Partly done" if statements else "Done"
            self.stdout.write(f"{done}. Erasures that are not physically complete: {pending}.")
        if statements:
            # The exit code is 0, so cron mails this message only because it is on the error stream.
            self.stderr.write(
                f"Skipped, because this database role may not maintain them: {', '.join(outcome.skipped)}. "
                f"A superuser must run once: {' '.join(statements)} Then run this command again."
            )
        if outcome.unordered:
            self.stderr.write(
                "Not in the order of their keys, because this database role does not own them: "
                f"{', '.join(outcome.unordered)}. The place of rows still shows which ones were "
                "anonymized together. Make the role their owner, then run this command again."
            )
