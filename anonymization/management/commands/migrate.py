"""Django's ``migrate``, which first looks at the code and then at the database.

The stock command checks the live database *before* it migrates, and so would refuse to run just when it must: a
missing trigger is made by migrating, a table without a model is dropped by a migration. Here the database is checked
when the migrations are done; what is wrong then is printed, and ``check --database default`` fails on it.

The triggers, which SQLite loses while it migrates, stand again also when a migration fails.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from anonymization import triggers
from anonymization.checks import check_database


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
        for message in check_database(None, databases=[options["database"]]):
            self.stderr.write(str(message))
