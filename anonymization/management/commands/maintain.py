"""Give back the bytes of what was erased, so that nobody reads them out of the database's files. For cron.

    manage.py maintain               SQLite: VACUUM and an empty write-ahead log; PostgreSQL: renewed statistics only
    manage.py maintain --rewrite     PostgreSQL: VACUUM FULL of the tables that erasures change and of pg_statistic

A rewrite locks each table in turn while it is copied: run it at a quiet hour. Whoever waits for a lock, the run or the
chat, waits at most --wait seconds for the other one's turn to begin. VACUUM FULL pg_statistic needs a superuser.
The record of each erasure says whether it is physically complete. Safe to repeat.

Exit code 0: done. Exit code 1: something is left, and the reason is said; run it again.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.maintenance import WAIT, Unfinished, erased_since_last_run, maintain


class Command(BaseCommand):
    help = "Give back the bytes of what was erased."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rewrite", action="store_true", help="PostgreSQL: rewrite the tables.")
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT.total_seconds(),
            metavar="SECONDS",
            help="for locks and readers",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = maintain(rewrite=options["rewrite"], wait=timedelta(seconds=max(0.0, options["wait"])))
        except Unfinished as reason:
            raise CommandError(f"Pending: {reason}") from None
        left = erased_since_last_run().count()
        if options["json"]:
            self.stdout.write(json.dumps({"rewritten": run.rewritten, "not_physically_complete": left}))
        else:
            self.stdout.write(f"Done. Erasures that are not physically complete: {left}.")
