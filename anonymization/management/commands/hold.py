"""Set, list, review and release legal holds.

    manage.py hold set session 601 --ground 17-3-e --case-number "12 C 34/2026" --review-on 2027-05-31
    manage.py hold set guest 42 …             also covers all sessions of the guest, including later ones
    manage.py hold list                       prints the active holds, the next review first
    manage.py hold review 7 --review-on DATE  keeps hold 7 until another day of review
    manage.py hold release 7                  releases hold 7 and carries out the erasure that waits

A held guest or session is not anonymized. The review is due within 12 months. The output contains
ids, grounds and days, but no case number, which may identify a person.

Exit codes:

- 0: done
- 1: refused or unknown; nothing was changed
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from anonymization import held, holds
from anonymization.ledger.recording import ErasureRefused
from anonymization.models import Hold, HoldGround, Source
from anonymization.policy import registry
from lib.commands import MigratedCommand
from lib.ids import is_id


def key(text: str) -> int:
    """Parse an id.

    Raises:
        ArgumentTypeError: the text is not a positive number.
    """
    if not is_id(text):
        raise ArgumentTypeError("give an id: a positive number without sign")
    return int(text)


def day(text: str) -> date:
    """Parse a day.

    Raises:
        ArgumentTypeError: the text is not a day of the form YYYY-MM-DD.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("give a day as YYYY-MM-DD") from None


class Command(MigratedCommand):
    help = "Set, list, review and release legal holds."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        setting = acts.add_parser("set", help="Set a hold on a guest or session.")
        setting.add_argument("kind", choices=sorted(_models()))
        setting.add_argument("id", type=key)
        setting.add_argument("--ground", required=True, choices=HoldGround.values)
        setting.add_argument("--case-number", required=True)
        acts.add_parser("list", help="Print the active holds.")
        reviewing = acts.add_parser("review", help="Keep a hold until another day of review.")
        reviewing.add_argument("id", type=key)
        for one in (setting, reviewing):
            one.add_argument("--review-on", required=True, type=day, metavar="DATE")
        releasing = acts.add_parser("release", help="Release a hold.")
        releasing.add_argument("id", type=key)
        for one in acts.choices.values():
            one.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = getattr(self, f"_{options['act']}")(options)
        except ValidationError as wrong:
            raise CommandError(" ".join(wrong.messages)) from None
        except (holds.HoldRefused, ErasureRefused) as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self._print(result)

    def _print(self, result: dict[str, Any]) -> None:
        for line in result.get("holds", [result]):
            self.stdout.write(", ".join(f"{name}: {value}" for name, value in line.items()))

    def _set(self, options: dict[str, Any]) -> dict[str, Any]:
        row = _models()[options["kind"]]._base_manager.filter(pk=options["id"]).first()
        if row is None:
            raise CommandError(f"There is no {options['kind']} {options['id']}.")
        hold = holds.set_hold(
            row,
            ground=HoldGround(options["ground"]),
            case_number=options["case_number"],
            review_on=options["review_on"],
        )
        return {"result": "set", **_fields(hold, row)}

    def _list(self, options: dict[str, Any]) -> dict[str, Any]:
        active = list(Hold.objects.active())
        rows = held.rows_of(active)
        return {"holds": [_fields(hold, rows.get(hold.subject)) for hold in active]}

    def _review(self, options: dict[str, Any]) -> dict[str, Any]:
        hold = holds.review_hold(_hold(options["id"]), review_on=options["review_on"])
        return {"result": "kept", "hold": hold.pk, "review_on": hold.review_on.isoformat()}

    def _release(self, options: dict[str, Any]) -> dict[str, Any]:
        released = holds.release_hold(_hold(options["id"]), source=Source.COMMAND)
        return {
            "result": "released",
            "hold": options["id"],
            "records": [record.number for record in released.records],
            "erasure_waits": released.still_due,
        }


def _models() -> dict[str, type[Model]]:
    """Return the models of data subjects by their names in lower case."""
    return {str(p.model._meta.model_name): p.model for p in registry if p.mark}


def _hold(pk: int) -> Hold:
    hold = Hold.objects.filter(pk=pk).first()
    if hold is None:
        raise CommandError(f"There is no hold {pk}.")
    return hold


def _fields(hold: Hold, row: Model | None) -> dict[str, Any]:
    kind = hold.kind.rpartition(".")[2].lower()
    return {
        "hold": hold.pk,
        kind: row.pk if row is not None else None,
        "ground": hold.ground,
        "review_on": hold.review_on.isoformat(),
        "overdue": hold.is_overdue,
    }
