"""Test that a connection without our pragmas cannot replace a sealed row on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.factories import SessionFactory

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = ("sessions_app_session", "sessions_app_guest")


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a plain connection to a copy of a database with a sealed and an identified session."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite only")
    session = SessionFactory(anonymized=True)
    SessionFactory(webchat=session.webchat, email="petr@example.com")
    file = sqlite3.connect(tmp_path / "copy.sqlite3", isolation_level=None)
    connection.connection.backup(file)
    yield file
    file.close()


def rows(file: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    return [file.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in TABLES]


def replacing(file: sqlite3.Connection, verb: str) -> Iterator[str]:
    """Yield statements that replace a sealed row by a row with a name, for each unique key."""
    for table, keys, name in (
        ("sessions_app_session", ("id", "entry_key"), "entered_name"),
        ("sessions_app_guest", ("id",), "name"),
    ):
        columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
        fresh = {
            "id": "NULL",
            "uid": "'x'",
            "entry_key": "'x'",
            "room_key": "'x'",
            "anonymized_in": "NULL",
        }
        for key in keys:
            values = (fresh | {name: "'Jana'", key: key}).items()
            chosen = ", ".join(dict(values).get(column, column) for column in columns)
            yield f"{verb} INTO {table} SELECT {chosen} FROM {table} WHERE anonymized_in IS NOT NULL"
            sealed = f"(SELECT {key} FROM {table} WHERE anonymized_in IS NOT NULL)"
            yield f"UPDATE OR REPLACE {table} SET {key} = {sealed} WHERE anonymized_in IS NULL"


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_sealed_row_is_not_replaced(stranger: sqlite3.Connection, verb: str) -> None:
    before = rows(stranger)
    assert [len(table) for table in before] == [2, 2]
    assert stranger.execute("PRAGMA recursive_triggers").fetchone() == (0,)
    ways = list(replacing(stranger, verb))
    assert len(ways) == 6
    for way in ways:
        with pytest.raises(sqlite3.IntegrityError, match="is anonymized"):
            stranger.execute(way)
    assert rows(stranger) == before


def test_identified_rows_are_replaced_as_ever(stranger: sqlite3.Connection) -> None:
    """This is the positive control: only the seal refuses."""
    stranger.execute(
        "REPLACE INTO sessions_app_guest SELECT * FROM sessions_app_guest WHERE name <> ''"
    )
    stranger.execute("UPDATE sessions_app_session SET id = 999 WHERE anonymized_in IS NULL")
    assert [len(table) for table in rows(stranger)] == [2, 2]
