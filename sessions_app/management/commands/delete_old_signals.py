"""Delete what browsers have told each other for a call, once it is five minutes old. For cron, every five minutes.

Signals hold IP addresses. As a rule they go when the call is connected or has ended; what is left then, of a browser
that was closed for instance, goes with the next signal of any call, or here, so that none is older than ten minutes
also when nobody calls. Prints a number only.

Safe to repeat, to run twice at once and beside an erasure; it waits for sessions that somebody else holds, after it
has done the others. Exit code 0.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sessions_app import calls


class Command(BaseCommand):
    help = "Delete signals of calls that are too old."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say how many; delete nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            result, count = "would delete", calls.old_signals().count()
        else:
            result = "deleted"
            count = calls.delete_old_signals() + calls.delete_old_signals(wait=True)
        answer = json.dumps({"result": result, "signals": count})
        self.stdout.write(answer if options["json"] else f"{result.capitalize()}: {count}.")
