"""Extend Django's ``migrate``: check the code before it and the database after it.

The stock command checks the live database *before* it migrates. It would refuse to run exactly when
it is needed: migrating creates a missing trigger, and a migration drops a table without a model.
This command checks the database after the migrations and prints the errors. ``check --database
default`` fails on them.

The triggers, which SQLite loses during a migration, are created again even if a migration fails.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from anonymization import stricter, triggers
from anonymization.checks import check_anonymized_rows, check_database


class Command(migrate.Command):
    help = migrate.Command.help

    def check(self, *args: Any, **kwargs: Any) -> None:
        super().check(*args, **{**kwargs, "databases": None})

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except (Exception, KeyboardInterrupt):
            triggers.after_migrate(using=options["database"])
            raise
        databases = [options["database"]]
        for message in check_database(None, databases=databases):
            self.stderr.write(str(message))
        if found := check_anonymized_rows(None, databases=databases):
            counts = stricter.count(stricter.gaps())
            for message, rows in zip(found, counts.values(), strict=True):
                self.stderr.write(f"{message}\n\tRows: {rows}")
