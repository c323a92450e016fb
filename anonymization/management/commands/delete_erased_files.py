"""Delete the stored files that an erasure queued and the storage would not delete at once. For cron.

A file that is missing counts as deleted only where the storage proves, by its marker, to be the one that the files
were written to. Also deletes temporary files that uploads left behind more than a day ago.

Safe to repeat and to run twice at once. Exit code 0: none is left. Exit code 1: some are left; run it again.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anonymization.files import (
    delete_pending_files,
    delete_stale_uploads,
    storage_problem,
    unfinished_uploads,
)


class Command(BaseCommand):
    help = "Delete stored files that are left over from erasures."

    def handle(self, *args: Any, **options: Any) -> None:
        if stale := delete_stale_uploads():
            self.stdout.write(f"Temporary files deleted: {stale}.")
        left = delete_pending_files()
        if left:
            raise CommandError(f"{left} files could not be deleted yet. {storage_problem()}".strip())
        self.stdout.write(f"No file is left. Uploads that have not ended: {unfinished_uploads()}.")
