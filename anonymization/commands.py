"""The common base of the commands that erase one subject.

The output contains ids and counts, never personal data.

Exit codes:

- 0: erased now or before
- 1: refused, unknown or under a legal hold; nothing was changed. Also if a hold rests on some
  sessions of a guest: the other sessions are anonymized then, and the result says so
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from anonymization import engine, held
from anonymization.ledger import recording
from anonymization.models import CHOSEN_GROUNDS, Ground, Source
from anonymization.policy import registry
from lib.commands import MigratedCommand
from lib.ids import is_id

#: The result if a legal hold rests on some sessions of the guest.
_PARTLY = "partly anonymized"


class EraseCommand(MigratedCommand):
    """Erase one subject of ``model``, given by its id."""

    model: type[Model]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="*", help="The id of exactly one record.")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count the rows that would be changed; change nothing.",
        )
        parser.add_argument(
            "--ground",
            choices=[ground.value for ground in CHOSEN_GROUNDS],
            default=Ground.REQUEST.value,
            help="The reason of the erasure, which its record keeps (default: request).",
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        subject = self._subject(options["id"])
        ground = Ground(options["ground"])
        result = self._preview(subject) if options["dry_run"] else self._erase(subject, ground)
        self._print(result, as_json=options["json"])
        if result["result"] == _PARTLY:
            raise CommandError(
                f"A legal hold rests on {result['held']} of the sessions. They and their guest are "
                "anonymized when the hold is released."
            )

    def _print(self, result: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(result))
        else:
            counts = ", ".join(
                f"{label.partition('.')[2]}: {n}" for label, n in result["counts"].items()
            )
            self.stdout.write(f"{result['result']} ({counts})" if counts else result["result"])

    def _subject(self, given: list[str]) -> Model:
        if len(given) != 1 or not is_id(given[0]):
            raise CommandError("Give exactly one id: a positive number without sign.")
        subject = self.model._base_manager.filter(pk=int(given[0])).first()
        if subject is None:
            raise CommandError(f"There is no {self.model._meta.object_name} {given[0]}.")
        return subject

    def _preview(self, subject: Model) -> dict[str, Any]:
        if getattr(subject, registry.get(self.model).mark) is not None:
            return {"result": "already anonymized", "id": subject.pk, "counts": {}}
        preview = engine.preview(subject)
        if preview.held and not preview.lines:
            raise CommandError("A legal hold rests on this data, so it would not be anonymized.")
        held_rows = {"held": preview.held} if preview.held else {}
        return {
            "result": "would anonymize",
            "id": subject.pk,
            "counts": dict(preview.counts),
            **held_rows,
        }

    def _erase(self, subject: Model, ground: Ground) -> dict[str, Any]:
        requester = recording.Requester(Source.COMMAND, ground=ground)
        try:
            record = engine.erase(subject, requester=requester)
        except (recording.ErasureRefused, recording.Unsettled) as refusal:
            raise CommandError(str(refusal)) from None
        pending = {"id": subject.pk, "pending_files": engine.pending_files(subject)}
        if record is None:
            return {"result": "already anonymized", "counts": {}} | pending
        if held.is_due(subject):
            pending |= {"result": _PARTLY, "held": engine.preview(subject).held}
        return {"result": "anonymized", "record": record.number, "counts": record.counts} | pending
