"""Print how many anonymized records are unique, and how many erasures are alone in their period.

    manage.py reidentification_report               all
    manage.py reidentification_report --from 2026-01-01 --to 2026-03-31
                                                    a period, both days included

For each model the report counts unique rows (k = 1) and rare rows (k < 5). The first line is about
the columns that another person may know, the second about all remaining values. A person whose row
is unique in the first line could be recognized by somebody who knows these things about a visit.

Only anonymized records are counted. Some of them are therefore unique until other records of their
time are anonymized at the end of the retention period.

The last line is about erasures that anonymized several records of one person. If such an erasure is
the only one of its period, its records can be linked: they are the only ones with this period.

Changes nothing. Prints numbers, column names and periods, no other values. One query for each line.

Exit codes:

- 0: printed
- 1: a date is invalid
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.reidentification import FEW, Acts, Likeness, acts, likenesses


class Command(BaseCommand):
    help = "Count the anonymized records whose kept values are unique."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="since",
            metavar="DATE",
            help="first day, for example 2026-01-31",
        )
        parser.add_argument("--to", dest="until", metavar="DATE", help="last day")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = _day(options["since"]), _day(options["until"])
        if since and until and since > until:
            raise CommandError("The first day (--from) is after the last one (--to).")
        found = likenesses(since=since, until=until)
        linked = acts(since=since, until=until)
        if options["json"]:
            report = {
                "time_precision": settings.ERASURE_TIME_PRECISION,
                "few": FEW,
                "models": [likeness.as_fields() for likeness in found],
                "acts": linked.as_fields(),
            }
            self.stdout.write(json.dumps(report))
            return
        self.stdout.write(
            f"Times are rounded to the {settings.ERASURE_TIME_PRECISION} (ERASURE_TIME_PRECISION)."
        )
        for likeness in found:
            self.stdout.write(_line(likeness))
        self.stdout.write(_line_about(linked))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise CommandError("A day is written as in 2026-01-31.") from None


def _line(likeness: Likeness) -> str:
    return (
        f"{likeness.model}, by {', '.join(likeness.columns)}: {likeness.rows} anonymized, {likeness.alone} alone, "
        f"{likeness.few} with k < {FEW}, smallest k: {likeness.smallest or '–'}."
    )


def _line_about(linked: Acts) -> str:
    periods = f" ({', '.join(linked.periods)})" if linked.periods else ""
    return (
        f"Erasures that anonymized several records: {linked.several}, "
        f"alone in their period: {linked.alone}{periods}."
    )
