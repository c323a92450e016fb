"""Ask for a backup before migrations that remove data and can't be undone.

Such a migration has the attribute ``needs_backup``. ``migrate`` prints the notice before it changes
anything, and on a terminal it waits for a confirmation if the ledger has records. A new database
has nothing to lose: nothing is printed.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management import CommandError
from django.db import connections

from anonymization.models import Erasure

NOTICE = """\
These migrations can't be undone: {names}.
They remove every link between anonymized rows, also of earlier erasures.
Back up the database first. Older backups keep the links: docs/operate/upgrade.md says how long to keep them.
"""
QUESTION = (
    "The ledger has {records} records. Is there a backup, and shall the migrations run? [y/N] "
)


def before_migrate(
    using: str, plan: list | None = None, interactive: bool = True, **options: Any
) -> None:
    """Print the notice, and ask if a person can answer.

    Raises:
        CommandError: the person did not confirm; nothing was changed.
    """
    names = [
        f"{migration.app_label}.{migration.name}"
        for migration, backwards in plan or ()
        if getattr(migration, "needs_backup", False) and not backwards
    ]
    if not names or Erasure._meta.db_table not in connections[using].introspection.table_names():
        return
    output = options.get("stdout") or sys.stdout
    output.write(NOTICE.format(names=", ".join(names)))
    records = Erasure.objects.using(using).count()
    if records and interactive and sys.stdin.isatty() and not _confirmed(records):
        raise CommandError("The migrations did not run. Nothing was changed.")


def _confirmed(records: int) -> bool:
    try:
        return input(QUESTION.format(records=records)).strip().lower() in {"y", "yes"}
    except EOFError:
        return False
