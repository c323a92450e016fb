"""Test that a command which fails because of the database prints one sentence without values."""

from __future__ import annotations

import errno
import logging
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.management import BaseCommand
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, connection

from mluvii_gdpr import command_line, database_failures
from mluvii_gdpr.database_failures import explain
from tests.commands import ROOT, run_commands

CANARY = "kanarcmd"
COMMANDS = [
    "anonymize_session 1 --json",
    "create_api_client X --right read_sessions",
    "delete_erased_files",
    "erasure_status --json",
    "check --database default",
    "clearsessions",
]


def manage(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command.split()], cwd=ROOT, env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.any_database
def test_an_unmigrated_database_is_one_sentence(tmp_path: Path) -> None:
    results = run_commands(*COMMANDS, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
    for command, done in zip(COMMANDS, results, strict=True):
        sentence = rf"manage.py {command.split()[0]} failed: the database lacks \d+ migrations\. Run manage\.py migrate"
        assert done.returncode == 1
        # Some commands warn of the migrations before they fail.
        assert re.fullmatch(f"{sentence} .*", done.stderr.splitlines()[-1]), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.any_database
@pytest.mark.parametrize("command", ["erasure_status --json", "migrate"])
def test_a_database_that_is_away_is_one_sentence_with_its_cause(command: str) -> None:
    done = manage(command, DATABASE_URL="postgres://u:kanarcmd@127.0.0.1:1/x", DATABASE_TIMEOUT="1")
    *log, last = done.stderr.splitlines()
    assert done.returncode == 1
    assert not done.stdout.startswith("{")
    assert all(
        " ERROR mluvii_gdpr.postgresql.base the database does not answer" in line for line in log
    ), log
    assert last.startswith(
        f"manage.py {command.split()[0]} failed: the database does not answer: no server "
    )
    assert last.endswith(" Start PostgreSQL, or correct DATABASE_URL. (ECONNREFUSED)")
    assert CANARY not in done.stderr


@pytest.mark.any_database
def test_a_traceback_is_printed_when_it_is_asked_for(tmp_path: Path) -> None:
    done = manage("erasure_status --traceback", DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3")
    assert done.returncode == 1
    assert "no such table" in done.stderr.splitlines()[-1]


def fail_in_sqlite(folder: Path, statement: str, *, name: str = "db") -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as failed:
        sqlite3.connect(f"file:{folder / name}?mode=ro", uri=True).execute(statement)
    return failed.value


@pytest.mark.any_database
def test_failures_of_sqlite_are_said_with_their_name(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "db").execute("CREATE TABLE t (a)")
    (tmp_path / "text").write_text(CANARY * 1000)
    for name, statement, wanted in [
        (
            "db",
            f"INSERT INTO t VALUES ('{CANARY}')",
            r"can't be written\. .* user .* \(SQLITE_READONLY\)",
        ),
        ("none", "SELECT 1", r"can't be opened\. .* user .* \(SQLITE_CANTOPEN\)"),
        (
            "text",
            "SELECT * FROM t",
            r"not an SQLite database\. Correct DATABASE_URL\. \(SQLITE_NOTADB\)",
        ),
    ]:
        failure = OperationalError(CANARY)
        failure.__cause__ = fail_in_sqlite(tmp_path, statement, name=name)
        assert re.search(wanted, said := explain(failure)), said
        assert CANARY not in said


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        (
            psycopg.errors.InsufficientPrivilege(CANARY),
            r"must own the database.*\(SQLSTATE 42501\)",
        ),
        (psycopg.errors.DiskFull(CANARY), r"volume of the server is full.*\(SQLSTATE 53100\)"),
        (psycopg.errors.ReadOnlySqlTransaction(CANARY), r"takes no changes.*\(SQLSTATE 25006\)"),
        (psycopg.errors.DeadlockDetected(CANARY), r"Run this again\. \(SQLSTATE 40P01\)"),
    ],
)
def test_failures_of_postgresql_are_said_with_their_sqlstate(
    failure: psycopg.Error, wanted: str
) -> None:
    wrapped = ProgrammingError(CANARY)
    wrapped.__cause__ = failure
    assert re.search(wanted, explain(wrapped))


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('FATAL:  password authentication failed for user "kanarcmd"', "SQLSTATE 28P01"),
        ('FATAL:  database "kanarcmd" does not exist', "SQLSTATE 3D000"),
        ('FATAL:  role "kanarcmd" does not exist', "SQLSTATE 28000"),
        ("FATAL:  sorry, too many clients already", "SQLSTATE 53300"),
        ("FATAL:  the database system is starting up", "SQLSTATE 57P03"),
        (
            "failed to resolve host 'kanarcmd': [Errno -2] Name or service not known",
            "can't be resolved",
        ),
        ("connection timeout expired", "ETIMEDOUT"),
        ("connection failed: No route to host", "EHOSTUNREACH"),
        ("kanarcmd", "Its log says why"),
    ],
)
def test_a_refused_connection_is_said_with_its_cause(text: str, wanted: str) -> None:
    said = database_failures._reason_of_refusal(psycopg.OperationalError(text))
    assert wanted in said
    assert CANARY not in said


@pytest.mark.django_db
def test_a_table_that_is_missing_in_a_migrated_database_is_said() -> None:
    failure = ProgrammingError(CANARY)
    failure.__cause__ = (
        psycopg.errors.UndefinedTable(CANARY)
        if connection.vendor == "postgresql"
        else sqlite3.OperationalError(f"no such table: {CANARY}")
    )
    assert explain(failure).startswith(
        "the database lacks a table or a column, although no migration is missing"
    )


@pytest.mark.any_database
@pytest.mark.parametrize("failure", [DataError(CANARY), IntegrityError(CANARY)])
def test_another_failure_is_logged_by_its_frames_and_quotes_nothing(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, caplog: Any, capsys: Any
) -> None:
    class Command(BaseCommand):
        def handle(self, *args: Any, **options: Any) -> None:
            raise failure

    monkeypatch.setattr(
        command_line,
        "execute_from_command_line",
        lambda argv: Command().run_from_argv(["manage.py", "x"]),
    )
    monkeypatch.setattr(logging.getLogger("mluvii_gdpr"), "propagate", True)
    with pytest.raises(SystemExit) as left:
        command_line.run(["manage.py", "x"])
    assert str(left.value).startswith("manage.py x failed: the database refused a statement")
    assert CANARY not in str(left.value) + capsys.readouterr().err
    assert caplog.records[-1].exc_info[1] is failure


@pytest.mark.any_database
def test_a_reader_that_has_gone_is_no_traceback() -> None:
    command = f"{shlex.quote(sys.executable)} manage.py print_record_of_processing"
    done = subprocess.run(
        ["sh", "-c", f"({command}; echo $? >&2) | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "1\n"


def run_failing(failure: Exception, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    def fail(arguments: list[str]) -> None:
        raise failure

    monkeypatch.setattr(command_line, "execute_from_command_line", fail)
    with pytest.raises(SystemExit) as left:
        command_line.run(["manage.py", "x", *options])
    return str(left.value)


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (errno.EACCES, "as the user of the service"),
        (errno.ENOSPC, "Free space"),
        (errno.EROFS, "for writing"),
    ],
)
def test_a_failing_volume_is_one_sentence(
    number: int, wanted: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    said = run_failing(OSError(number, CANARY, f"/tmp/{CANARY}"), monkeypatch)  # noqa: S108
    assert said.startswith("manage.py x failed: a ")
    assert wanted in said
    assert f"[{errno.errorcode[number]}]" in said
    assert CANARY not in said
    said = run_failing(OSError(number, CANARY, str(settings.MEDIA_ROOT)), monkeypatch)
    assert str(settings.MEDIA_ROOT) in said
    with pytest.raises(OSError, match=CANARY):
        run_failing(OSError(number, CANARY), monkeypatch, "--traceback")


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("user", "owner", "production", "warned"),
    [
        (0, 4567, True, True),
        (0, 0, True, False),
        (0, 4567, False, False),
        (4567, 4567, True, False),
    ],
)
def test_root_is_warned_in_the_production_of_another_user(
    user: int,
    owner: int,
    production: bool,
    warned: bool,
    tmp_path: Path,
    monkeypatch: Any,
    capsys: Any,
) -> None:
    marker = tmp_path / "production"
    if production:
        marker.touch()
    monkeypatch.setattr(command_line, "MARKER", marker)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(Path, "stat", lambda _path: SimpleNamespace(st_uid=owner))
    monkeypatch.setattr(command_line, "execute_from_command_line", lambda _arguments: None)
    command_line.run(["manage.py", "x"])
    said = capsys.readouterr().err
    assert said.startswith(f"manage.py runs as root, but {tmp_path} belongs to 4567") == warned
    assert bool(said) == warned
