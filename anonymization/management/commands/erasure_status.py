"""Count what is anonymized, by model, and which stored files still have to be deleted.

Changes nothing. Exit code 0.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from anonymization.models import Erasure, FileDeletion
from anonymization.policy import registry


class Command(BaseCommand):
    help = "Count what is anonymized and which stored files still have to be deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        status: dict[str, Any] = {
            "erasures": Erasure.objects.count(),
            "pending_files": FileDeletion.objects.exclude(erasure=None).count(),
            "anonymized": {
                p.label: p.model._base_manager.exclude(**{p.mark: None}).count() for p in registry if p.mark
            },
            "identified": {
                p.label: p.model._base_manager.filter(**{p.mark: None}).count() for p in registry if p.mark
            },
        }
        if options["json"]:
            self.stdout.write(json.dumps(status))
            return
        for name, value in status.items():
            for line, number in value.items() if isinstance(value, dict) else [("", value)]:
                self.stdout.write(f"{name} {line}".strip() + f": {number}")
