"""Verify that an erasure leaves no data: plant unique values, erase, and search for them.

    manage.py verify_erasure                  on a database for development or tests
    manage.py verify_erasure --production     on an installation in use, for cron
    manage.py verify_erasure --dry-run        which columns would be planted and what not searched

The command creates a guest through the product's own services, and fills every field with values
that exist nowhere else. It then plants values with SQL in every text, JSON, binary and file column
that the registry connects to a guest. A value must be found before the erasure, and must not be
found after it. It is searched in:

- the database: all tables, decoded logins of staff members, PostgreSQL's statistics, the bytes of
  SQLite's files
- stored files and their names
- this process's logs, the mail outbox, caches and temporary uploads
- the external copy of the ledger
- every path in ``--also``

Every spelling in ``anonymization/canary/spellings.py`` is searched. A kept value may remain in its
own column, for the reason in the registry. The output has places and labels, never a value. It also
lists what was not searched.

With ``--production`` operators do not meet the guest: when others can see the conversation, it has
ended and belongs to an archived WebChat named ``verify_erasure``. Each run leaves what every
erasure leaves: the anonymized guest, two anonymized sessions, and an erasure record with the source
"command". All runs together leave this one WebChat. A run that fails before the erasure deletes
everything. The rows of a killed run can be anonymized like any guest, and the retention period of
that WebChat is one day.

On SQLite the write-ahead log is checkpointed first. A concurrent reader prevents its truncation,
which is then reported as a hit. Run the command when there is little traffic, and not twice at the
same time.

Exit codes:

- 0: every value was found before the erasure and none after it
- 1: a value was missing before the erasure or found after it, or the erasure was refused
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from anonymization.canary import places, planting
from anonymization.canary.planters import planters
from anonymization.canary.run import Hit, Report, not_planted, verify
from anonymization.ledger import recording
from anonymization.models import StorageMarker
from anonymization.storage import StorageUnavailable, storage_problem
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Erase a test guest with unique values, then search for the values."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--production", action="store_true", help="on an installation in use")
        parser.add_argument(
            "--also", metavar="PATH", type=Path, action="append", default=[],
            help="a further file or folder to search, for example a log; may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the values to store; change nothing."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object."
        )

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
        columns = [
            planting.label_of(p, f.name) for model in planters() for p, f in planting.columns(model)
        ]
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
            raise CommandError(
                f"MEDIA_ROOT takes no file. {problem} Nothing was verified."
            ) from None
        result = {"result": "clean" if report.clean else "failed", "planted": report.labels}
        return result | {name: value for name, value in asdict(report).items() if name != "labels"}


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['result']}: {len(result['planted'])} values"]
    if result["result"] == "would plant":
        lines += [f"would plant: {label}" for label in result["planted"]]
    lines += [f"not found before the erasure: {label}" for label in result.get("missed", [])]
    lines += [f"found after the erasure: {_words(Hit(**hit))}" for hit in result.get("hits", [])]
    lines += [f"may stay: {_words(Hit(**hit))}" for hit in result.get("allowed", [])]
    lines += [
        f"searched: {kind}, {size} bytes" for kind, size in result.get("searched", {}).items()
    ]
    lines += [f"not searched: {place}" for place in result["not_searched"]]
    return lines + [f"not planted: {column}" for column in result["not_planted"]]


def _words(hit: Hit) -> str:
    words = f"{hit.place} holds {hit.label} ({hit.spelling})"
    return f"{words}: {hit.reason}" if hit.reason else words
