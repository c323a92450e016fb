"""``migrate`` runs when it must repair, and says what is still wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("DATABASE_URL", "").startswith("postgres")),
    reason="has a SQLite of its own; once is enough",
)
ROOT = Path(__file__).resolve().parents[2]


def manage(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{database}"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "live.sqlite3"
    assert manage(path, "migrate", "--verbosity", "0").returncode == 0
    return path


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Path:
    """A copy of a migrated database."""
    return Path(shutil.copy(migrated, tmp_path / "live.sqlite3"))


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
    assert "anonymization.E010" in manage(database, "check", "--database", "default").stderr
    assert manage(database, "migrate").returncode == 0
    assert manage(database, "check", "--database", "default").returncode == 0


def test_a_table_without_a_model_is_named_and_hinders_no_migration(database: Path) -> None:
    execute(database, "CREATE TABLE left_behind (name TEXT)")
    done = manage(database, "migrate")
    assert done.returncode == 0
    assert "left_behind" in done.stderr
    assert manage(database, "check", "--database", "default").returncode == 1


def test_the_triggers_stand_after_a_migration_that_failed(database: Path) -> None:
    forget_migrations(database, "0003_unseen_files")  # finds its table made already
    failed = manage(database, "migrate")
    assert failed.returncode != 0
    assert "already exists" in failed.stderr
    assert "anonymization.E010" not in manage(database, "check", "--database", "default").stderr


def test_a_plan_changes_nothing(database: Path) -> None:
    execute(database, 'DROP TRIGGER "mluvii_gdpr_webchat_consenttext_update"')
    forget_migrations(database, "0005_replay")
    for option in ("--plan", "--check"):
        manage(database, "migrate", option)
        assert "anonymization.E010" in manage(database, "check", "--database", "default").stderr
