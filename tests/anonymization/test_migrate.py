"""``migrate`` runs when it must repair, and says what is still wrong."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connections

# Each command works on a SQLite database of its own.
pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
CHECK = "check --database default"


#: Runs commands one after another in one process, which is most of what a command costs.
RUN = """
import contextlib, io, json, sys
from django.core.management import execute_from_command_line
for command in json.loads(sys.argv[1]):
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said):
        try:
            execute_from_command_line(["manage.py", *command])
        except SystemExit as left:
            code = left.code or 0
        except Exception as error:
            code = 1
            said.write(str(error))
    print("\\0" + json.dumps([code, said.getvalue()]))
"""


class Done(NamedTuple):
    returncode: int
    stderr: str


def manage(database: Path, *commands: str) -> list[Done]:
    """Run commands of manage.py, each given as one text, in one process."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "mluvii_gdpr.settings",
    }
    argument = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", RUN, argument],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Done(*json.loads(part.splitlines()[0])) for part in done.stdout.split("\0")[1:]]


@pytest.fixture
def database(tmp_path: Path, django_db_setup: None) -> Path:
    """Copy the test's own database, which is migrated: no other is migrated for these tests."""
    with (
        closing(sqlite3.connect(connections["default"].settings_dict["NAME"])) as migrated,
        closing(sqlite3.connect(tmp_path / "live.sqlite3")) as copied,
    ):
        migrated.backup(copied)
    return tmp_path / "live.sqlite3"


def execute(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute(statement)
    connection.commit()
    connection.close()


def forget_migrations(database: Path, first: str) -> None:
    """Let a migration of the engine's count as not applied, with all that came after it."""
    execute(
        database,
        f"DELETE FROM django_migrations WHERE (app = 'anonymization' AND name >= '{first}') "
        "OR (app = 'sessions_app' AND name >= '0006')",
    )


def test_a_dropped_trigger_is_made_again(database: Path) -> None:
    execute(database, 'DROP TRIGGER "mluvii_gdpr_webchat_consenttext_update"')
    before, made, after = manage(database, CHECK, "migrate", CHECK)
    assert "anonymization.E010" in before.stderr
    assert made.returncode == after.returncode == 0


def test_a_table_without_a_model_is_named_and_hinders_no_migration(database: Path) -> None:
    execute(database, "CREATE TABLE left_behind (name TEXT)")
    done, checked = manage(database, "migrate", CHECK)
    assert done.returncode == 0
    assert "left_behind" in done.stderr
    assert checked.returncode == 1


def test_the_triggers_stand_after_a_migration_that_failed(database: Path) -> None:
    forget_migrations(database, "0003_unseen_files")  # finds its table made already
    failed, checked = manage(database, "migrate", CHECK)
    assert failed.returncode != 0
    assert "already exists" in failed.stderr
    assert "anonymization.E010" not in checked.stderr


def test_a_plan_changes_nothing(database: Path) -> None:
    execute(database, 'DROP TRIGGER "mluvii_gdpr_webchat_consenttext_update"')
    forget_migrations(database, "0005_replay")
    _plan, after_plan, _check, after_check = manage(
        database, "migrate --plan", CHECK, "migrate --check", CHECK
    )
    assert "anonymization.E010" in after_plan.stderr
    assert "anonymization.E010" in after_check.stderr
