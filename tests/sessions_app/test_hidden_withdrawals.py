"""The database refuses to hide that consent was withdrawn, unless the session is anonymized."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from anonymization import triggers
from anonymization.checks import check_database
from sessions_app.models import Session
from tests.factories import ErasureFactory, SessionFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

TABLE = "sessions_app_session"
REFUSED = "only an anonymization clears withdrawn_at"


@pytest.fixture
def withdrawn(webchat: WebChat) -> Session:
    return SessionFactory(webchat=webchat, withdrawn=True)


def sql(statement: str, *values: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET withdrawn_at = NULL WHERE id = %s",
        f"UPDATE {TABLE} SET withdrawn_at = NULL, status = 'active' WHERE id = %s",
        f"DELETE FROM {TABLE} WHERE id = %s",
    ],
)
def test_plain_sql_does_not_hide_a_withdrawal(withdrawn: Session, statement: str) -> None:
    with pytest.raises(IntegrityError, match=REFUSED):
        sql(statement, withdrawn.pk)
    withdrawn.refresh_from_db()
    assert withdrawn.withdrawn_at


def test_the_orm_does_not_hide_a_withdrawal_either(withdrawn: Session) -> None:
    withdrawn.withdrawn_at = None
    with pytest.raises(IntegrityError, match=REFUSED), transaction.atomic():
        withdrawn.save(update_fields=["withdrawn_at"])


def test_the_anonymization_clears_it_with_the_mark(withdrawn: Session) -> None:
    ErasureFactory(subject=withdrawn)
    withdrawn.refresh_from_db()
    assert withdrawn.withdrawn_at is None
    assert withdrawn.anonymized_in


def test_other_changes_are_allowed(withdrawn: Session, webchat: WebChat) -> None:
    rows = Session.objects.filter(pk=withdrawn.pk)
    rows.update(note="called back")
    rows.update(withdrawn_at=timezone.now() - timedelta(days=3))
    other = SessionFactory(webchat=webchat)
    Session.objects.filter(pk=other.pk).update(withdrawn_at=None, note="x")


@pytest.fixture
def stranger(withdrawn: Session, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection without the product's settings to a copy of the database."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite only")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite3", isolation_level=None)) as file:
        file.executescript(schema())
        yield file


def schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL "
            "AND (type = 'table' OR name LIKE %s)",
            [TABLE, f"{triggers.PREFIX}{TABLE}_withdrawn_at_%"],
        )
        return ";\n".join(statement for (statement,) in cursor.fetchall())


@pytest.mark.parametrize("key", ["id", "entry_key"])
def test_a_withdrawn_session_is_not_replaced(stranger: sqlite3.Connection, key: str) -> None:
    described = stranger.execute(f"PRAGMA table_info({TABLE})").fetchall()
    values = {name: "1" if not_null else None for _n, name, _t, not_null, _d, _k in described}
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    insert = f"INTO {TABLE} ({columns}) VALUES ({marks})"
    stranger.execute(f"INSERT {insert}", list((values | {"id": 7, "withdrawn_at": "now"}).values()))
    same = {"id": 7, "entry_key": "other"} if key == "id" else {"id": 8, "entry_key": "1"}
    with pytest.raises(sqlite3.IntegrityError, match=REFUSED):
        stranger.execute(f"INSERT OR REPLACE {insert}", list((values | same).values()))
    assert stranger.execute(f"SELECT count(withdrawn_at) FROM {TABLE}").fetchone() == (1,)


def test_a_missing_trigger_is_named(withdrawn: Session) -> None:
    name = f"{triggers.PREFIX}{TABLE}_withdrawn_at_update"
    sql(triggers.Trigger(TABLE, name, "", "").drop(connection.vendor))
    found = [message.msg for message in check_database(None, databases=["default"])]
    assert found == [f"The trigger {name} is missing or altered."]
    sql(f"UPDATE {TABLE} SET withdrawn_at = NULL WHERE id = %s", withdrawn.pk)
    withdrawn.refresh_from_db()
    assert withdrawn.withdrawn_at is None, "this is the control"
