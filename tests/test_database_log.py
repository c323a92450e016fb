"""Test that PostgreSQL's log and its list of statements contain no value of a visitor."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from sessions_app.models import Guest, Message
from tests.factories import ErasureFactory, SessionFactory

pytestmark = pytest.mark.django_db

CANARY = "kanarserverlog"


@pytest.fixture(autouse=True)
def _postgresql_only() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite writes no log")


def execute(statement: str, *values: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def test_values_are_bound_by_the_server() -> None:
    ((statement, value),) = execute(
        "SELECT query, %s::text FROM pg_stat_activity WHERE pid = pg_backend_pid()", CANARY
    )
    assert value == CANARY
    assert "$1" in str(statement)
    assert CANARY not in str(statement)


@pytest.fixture
def log() -> Callable[[str], str]:
    """Return a function that waits for a word in the server's log and returns the log."""
    folder = execute("SHOW data_directory")[0][0]
    path = Path(str(folder)) / "log"
    if not path.is_file():
        pytest.skip("the log of this server is elsewhere")
    begin = path.stat().st_size

    def read_until(word: str) -> str:
        deadline = time.monotonic() + 30
        while word not in (text := path.read_bytes()[begin:].decode(errors="replace")):
            assert time.monotonic() < deadline, "the server logs no failed statement"
        return text

    return read_until


def test_a_failing_statement_is_logged_without_its_values(log: Callable[[str], str]) -> None:
    sealed = SessionFactory()
    ErasureFactory(subject=sealed)
    for failing in (
        lambda: Guest.objects.create(name=CANARY * 20),
        lambda: Message.objects.create(session=sealed, sender="visitor", text=CANARY),
        lambda: Guest.objects.exclude(anonymized_in=None).update(name=CANARY),
        lambda: execute("SELECT %s FROM nowhere", CANARY),
        lambda: execute("SELECT 'kanarliteral' FROM nowhere"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            failing()

    logged = log("kanarliteral")

    assert "value too long" in logged
    assert "sessions_app.Session is anonymized" in logged
    assert "sessions_app.Guest is anonymized" in logged
    assert CANARY not in logged
