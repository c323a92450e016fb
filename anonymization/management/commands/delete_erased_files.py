"""Delete the stored files that an erasure queued and the storage would not delete at once. For cron.

Safe to repeat and to run twice at once. Exit code 0: none is left. Exit code 1: some are left; run it again.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anonymization.files import delete_pending_files


class Command(BaseCommand):
    help = "Delete stored files that are left over from erasures."

    def handle(self, *args: Any, **options: Any) -> None:
        left = delete_pending_files()
        if left:
            raise CommandError(f"{left} files could not be deleted yet.")
        self.stdout.write("No file is left.")
