"""Delete what browsers have told each other for a call, once it is five minutes old. For cron, every five minutes.

Signals hold IP addresses. As a rule they go when the call is connected or has ended; what is left then, of a browser
that was closed for instance, goes here, so that none is older than ten minutes. Prints a number only.

Safe to repeat and to run twice at once. Exit code 0.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sessions_app import services


class Command(BaseCommand):
    help = "Delete signals of calls that are too old."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say how many; delete nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        old = services.old_signals()
        result = "would delete" if options["dry_run"] else "deleted"
        count = old.count() if options["dry_run"] else old.delete()[0]
        answer = json.dumps({"result": result, "signals": count})
        self.stdout.write(answer if options["json"] else f"{result.capitalize()}: {count}.")
