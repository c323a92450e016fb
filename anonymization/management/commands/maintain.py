"""Give back the bytes of what was erased, so that nobody reads them out of the database's files. For cron.

    manage.py maintain               SQLite: VACUUM and an empty write-ahead log; PostgreSQL: renewed statistics only
    manage.py maintain --rewrite     PostgreSQL: VACUUM FULL of the tables that erasures change and of pg_statistic

A rewrite locks each table in turn while it is copied: run it at a quiet hour. Whoever waits for a lock, the run or the
chat, waits at most --wait seconds for the other one's turn to begin. On PostgreSQL the role must own the database.
Otherwise the run does what the role may do, names the skipped tables and the statement that a superuser must run once,
and completes no erasure. The record of each erasure says whether it is physically complete. Safe to repeat.

Exit code 0: done, as far as the role may. Exit code 1: something is left, and the reason is said; run it again.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.maintenance import (
    WAIT,
    Unfinished,
    erased_since_last_run,
    maintain,
    statement_for_a_superuser,
)


def _seconds(text: str) -> float:
    """Return seconds. They are limited, since the database counts milliseconds in 32 bits.

    Raises:
        ArgumentTypeError: that is no number, or more than a day.
    """
    with suppress(ValueError):
        if (seconds := float(text)) <= 86400:
            return max(0.0, seconds)
    raise ArgumentTypeError("give seconds, at most 86400")


class Command(BaseCommand):
    help = "Give back the bytes of what was erased."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rewrite", action="store_true", help="PostgreSQL: rewrite the tables.")
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=WAIT.total_seconds(),
            metavar="SECONDS",
            help="for locks and readers",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        wait = timedelta(seconds=options["wait"])
        try:
            outcome = maintain(rewrite=options["rewrite"], wait=wait)
        except Unfinished as reason:
            raise CommandError(f"Pending: {reason}") from None
        pending = erased_since_last_run().count()
        statements = [statement_for_a_superuser()] if outcome.skipped else []
        if options["json"]:
            report = {
                "rewritten": outcome.run.rewritten,
                "not_physically_complete": pending,
                "skipped": outcome.skipped,
                "left_for_superuser": statements,
            }
            self.stdout.write(json.dumps(report))
        else:
            done = "Partly done" if statements else "Done"
            self.stdout.write(f"{done}. Erasures that are not physically complete: {pending}.")
        if statements:
            # On the error stream, so that cron mails it: the exit code is 0.
            self.stderr.write(
                f"Skipped, because this database role may not maintain them: {', '.join(outcome.skipped)}. "
                f"A superuser must run once: {' '.join(statements)} Then run this command again."
            )
