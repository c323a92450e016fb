"""Delete the signals of calls that are older than five minutes.

Run it from cron every five minutes. Signals contain IP addresses. Normally they are deleted when
the call is connected or has ended. The rest, for example of a browser that was closed, is deleted
with the next signal of any call, or by this command. So no signal is older than ten minutes, even
if there are no calls. The command prints only their number. It also deletes the counters of limits
whose window has ended, which is otherwise done by the next count.

It can be repeated, run concurrently, and run during an erasure. It first processes the sessions
that are not locked and then waits for the locked ones. Exit code 0.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from lib.commands import MigratedCommand
from sessions_app import calls, limits


class Command(MigratedCommand):
    help = "Delete call signals that are older than five minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Count the signals; delete nothing."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            result, count = "would delete", calls.old_signals().count()
        else:
            result = "deleted"
            limits.delete_ended(timezone.now())
            count = calls.delete_old_signals() + calls.delete_old_signals(wait=True)
        answer = json.dumps({"result": result, "signals": count})
        self.stdout.write(answer if options["json"] else f"{result.capitalize()}: {count}.")
