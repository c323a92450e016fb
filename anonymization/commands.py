"""The common base of the commands that erase one subject.

The output contains ids and counts, never personal data.

Exit codes:

- 0: erased now or before
- 1: refused or unknown; nothing was changed
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Source
from anonymization.policy import registry
from lib.commands import MigratedCommand
from lib.ids import is_id


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
            "--json", action="store_true", help="Print the result as one JSON object."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        subject = self._subject(options["id"])
        result = self._preview(subject) if options["dry_run"] else self._erase(subject)
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            counts = ", ".join(
                f"{label.partition('.')[2]}: {n}" for label, n in result["counts"].items()
            )
            self.stdout.write(f"{result['result']} ({counts})")

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
        return {
            "result": "would anonymize",
            "id": subject.pk,
            "counts": dict(engine.preview(subject).counts),
        }

    def _erase(self, subject: Model) -> dict[str, Any]:
        try:
            record, erased = engine.erase(subject, requester=recording.Requester(Source.COMMAND))
        except recording.ErasureRefused as refusal:
            raise CommandError(str(refusal)) from None
        return {
            "result": "anonymized" if erased else "already anonymized",
            "id": subject.pk,
            "record": record.number,
            "counts": record.counts,
            "pending_files": record.pending_files,
        }
