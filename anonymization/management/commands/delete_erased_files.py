"""Delete stored files that an erasure queued but could not delete. For cron.

A missing file counts as deleted only if the marker proves that the storage is the right one. The
command also deletes:

- temporary files of uploads that are more than a day old
- stored files that are more than a day old and that no row references, because nobody could find or
  erase their content

The second check reads the name of every stored file (half a minute for a million).
``--queued-only`` skips it. The output contains numbers only. The command can be repeated, and two
runs may overlap.

Exit codes:

- 0: no file is left
- 1: some files are left, or the storage is not proved to be the right one

In the second case of exit code 1, files without a row were not looked for. Run the command again.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from anonymization import runs
from anonymization.files import (
    delete_pending_files,
    delete_stale_uploads,
    unfinished_uploads,
)
from anonymization.models import Job
from anonymization.orphans import SweepRefused, sweep
from anonymization.storage import storage_problem


class Command(BaseCommand):
    help = "Delete stored files of erasures, and stored files that no row references."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queued-only", action="store_true", help="Do not delete unreferenced files."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if stale := delete_stale_uploads():
            self.stdout.write(f"Temporary files deleted: {stale}.")
        left = delete_pending_files()
        wrong = [f"{left} files could not be deleted yet.", storage_problem()] if left else []
        wrong += [] if options["queued_only"] else self._sweep()
        runs.record(Job.FILES, good=not wrong)
        if wrong:
            raise CommandError(" ".join(filter(None, dict.fromkeys(wrong))))
        self.stdout.write(f"No file is left. Uploads that have not ended: {unfinished_uploads()}.")

    def _sweep(self) -> list[str]:
        """Delete files without a row; return messages about what was not done."""
        deleted = failed = 0
        wrong = []
        try:
            with tqdm(unit=" files", disable=None) as bar:
                for part in sweep():
                    bar.update(part.seen)
                    deleted, failed = deleted + part.deleted, failed + part.failed
        except SweepRefused as refused:
            wrong = ["Files without a row were not looked for.", str(refused)]
        if deleted:
            self.stdout.write(f"Files without a row deleted: {deleted}.")
        if failed:
            wrong.append(f"{failed} files without a row could not be deleted yet.")
        return wrong
