"""Verify that an erasure leaves nothing: plant unique values, find each, erase, and search for them everywhere.

    manage.py verify_erasure                  on a database for development or tests
    manage.py verify_erasure --production     on an installation in use, for cron
    manage.py verify_erasure --dry-run        which columns would be planted, what would not be searched

A guest is let in by the product's own services, everything filled with values that exist nowhere else; then every
text, JSON, binary and file column that the registry leads from a guest to is planted by SQL. A value that is not
found before the erasure is a failure, and so is one that is found after it: in the database (all tables, decoded
log-ins of staff, PostgreSQL's statistics, the bytes of SQLite's files), stored files and their names, this process's
logs, the mail outbox, caches, temporary uploads, the outside copy of the ledger, and whatever ``--also`` names; in any
spelling of ``anonymization/canary/spellings.py``. What is kept may stay in its own column, for the registry's reason.
Output names places and labels, never a value; it names what was not searched as well.

With ``--production`` nobody meets the guest at work: the conversation has ended, in an archived WebChat named
``verify_erasure``, when others can see it. What stays of each run is what stays of any erasure: the emptied guest, two
emptied sessions, and a record of the ledger by the door "command"; and of all runs that one WebChat. A run that fails
before the erasure takes everything away again; what a killed one leaves can be anonymized as any guest, and the
retention period of that WebChat is one day.
On SQLite the write-ahead log is checkpointed first; a process that reads meanwhile keeps the log from being cut, which
is then reported as a hit. So run it at a quiet hour, and not twice at once.

Exit code 0: every value was found before the erasure and none after it. Exit code 1: not so, or the erasure was
refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.canary import places, planting
from anonymization.canary.doors import planters
from anonymization.canary.run import Hit, Report, not_planted, verify
from anonymization.ledger import recording
from anonymization.models import StorageMarker
from anonymization.storage import StorageUnavailable, storage_problem


class Command(BaseCommand):
    help = "Plant unique values, erase them, and search for them everywhere."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--production", action="store_true", help="on an installation in use")
        parser.add_argument(
            "--also", metavar="PATH", type=Path, action="append", default=[],
            help="a further file or folder to search, such as a log; may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be planted; change nothing."
        )
        parser.add_argument("--json", action="store_true", help="Print the result as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["production"] or options["dry_run"]):
            raise CommandError(
                "With DEBUG off, say --production: a guest is made and erased. Nothing was done."
            )
        if missing := [path for path in options["also"] if not path.exists()]:
            raise CommandError(f"There is no {missing[0]} to search.")
        result = self._plan(options) if options["dry_run"] else self._verify(options)
        self.stdout.write(json.dumps(result) if options["json"] else "\n".join(_lines(result)))
        if result["result"] == "failed":
            raise CommandError("The erasure is not verified.")

    def _plan(self, options: dict[str, Any]) -> dict[str, Any]:
        columns = [planting.label_of(p, f.name) for model in planters() for p, f in planting.columns(model)]
        return {
            "result": "would plant",
            "planted": columns,
            "not_searched": places.out_of_reach(),
            "not_planted": not_planted(choices=not options["production"]),
        }

    def _verify(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            report: Report = verify(choices=not options["production"], also=options["also"])
        except recording.ErasureRefused as refusal:
            raise CommandError(str(refusal)) from None
        except StorageUnavailable:
            is_marked = StorageMarker.objects.exists()
            problem = (is_marked and storage_problem()) or "The lines above say why."
            raise CommandError(f"MEDIA_ROOT takes no file. {problem} Nothing was verified.") from None
        result = {"result": "clean" if report.clean else "failed", "planted": report.labels}
        return result | {name: value for name, value in asdict(report).items() if name != "labels"}


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['result']}: {len(result['planted'])} values"]
    if result["result"] == "would plant":
        lines += [f"would plant: {label}" for label in result["planted"]]
    lines += [f"not found before the erasure: {label}" for label in result.get("missed", [])]
    lines += [f"found after the erasure: {_words(Hit(**hit))}" for hit in result.get("hits", [])]
    lines += [f"may stay: {_words(Hit(**hit))}" for hit in result.get("allowed", [])]
    lines += [f"searched: {kind}, {size} bytes" for kind, size in result.get("searched", {}).items()]
    lines += [f"not searched: {place}" for place in result["not_searched"]]
    return lines + [f"not planted: {column}" for column in result["not_planted"]]


def _words(hit: Hit) -> str:
    words = f"{hit.place} holds {hit.label} ({hit.spelling})"
    return f"{words}: {hit.reason}" if hit.reason else words
