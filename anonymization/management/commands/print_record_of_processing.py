"""Print the record of processing (GDPR Art. 30) as Markdown.

It lists each stored field, what happens to it, and why. ``--into FILE`` writes it between the
markers of a document instead. The command does not use the database.

Exit codes:

- 0: printed or written
- 1: the document has no markers
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization.policy import registry
from anonymization.record_of_processing import MarkersMissing, as_markdown, put_into


class Command(BaseCommand):
    help = "Print each stored field, what happens to it on anonymization, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--into",
            type=Path,
            metavar="FILE",
            help="Write the tables between the markers of FILE.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["into"]
        if path is None:
            self.stdout.write(as_markdown(registry))
            return
        try:
            document = put_into(path.read_text(), as_markdown(registry))
        except (MarkersMissing, OSError) as problem:
            raise CommandError(str(problem)) from None
        path.write_text(document)
