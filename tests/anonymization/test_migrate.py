"""Test that ``migrate`` repairs the triggers and prints the remaining problems."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connections

from tests.commands import Done, run_commands

# Each command uses a separate SQLite database.
pytestmark = [pytest.mark.any_database, pytest.mark.django_db]

CHECK = "check --database default"


def manage(database: Path, *commands: str) -> list[Done]:
    return run_commands(*commands, DATABASE_URL=f"sqlite:///{database}")


@pytest.fixture
def database(tmp_path: Path, db: None) -> Path:
    """Copy the test's database, which is migrated already. Migrating another one takes long."""
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
    """Mark a migration of the engine as not applied, and all migrations that depend on it."""
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
    forget_migrations(database, "0003_unseen_files")  # its table exists already
    failed, checked = manage(database, "migrate --traceback", CHECK)
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
