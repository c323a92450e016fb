"""The base of management commands that need the current schema of the database."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class MigratedCommand(BaseCommand):
    """A command that warns about unapplied migrations on the error stream.

    Django's own warning is written to the output, where it precedes the object of ``--json``.
    """

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        output, self.stdout = self.stdout, self.stderr
        try:
            super().check_migrations()
        finally:
            self.stdout = output
