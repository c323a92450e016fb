"""Print the latest ledger hash with a signature.

Save it elsewhere: by mail, on another host, on paper. Anyone who saved it can prove later that no
record up to it was changed, removed or inserted: see ``verify_ledger --head``.

Exit codes:

- 0: printed
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from anonymization.ledger import recording
from anonymization.ledger.verification import publish
from lib.commands import MigratedCommand


class Command(MigratedCommand):
    help = "Print the latest ledger hash: SEQUENCE:HASH:SIGNATURE."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        head = recording.head()
        published = publish(head)
        if options["json"]:
            signature = published.rpartition(":")[2]
            self.stdout.write(
                json.dumps({"sequence": head.sequence, "hash": head.hash, "signature": signature})
            )
        else:
            self.stdout.write(published)
