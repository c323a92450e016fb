"""Test append-only rows on SQLite: REPLACE, and a connection without our pragmas."""

import sqlite3

import pytest
from django.db import connection

from tests.factories import WebChatFactory
from tests.webchat.append_only import execute, refused

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = "id, version_id, language, label, body, document, sha256"


@pytest.fixture(autouse=True)
def _sqlite_only():
    if connection.vendor != "sqlite":
        pytest.skip("SQLite only")


@pytest.fixture
def text():
    return WebChatFactory().current_text("cs")


@pytest.fixture
def stranger(text, tmp_path):
    """Return a plain connection to the same database file."""
    file = sqlite3.connect(tmp_path / "copy.sqlite3", isolation_level=None)
    connection.connection.backup(file)
    yield file
    file.close()


def replacing(verb, text):
    """Return statements that would replace the row, by its primary key and by its unique key."""
    values = "'x', 'x', 'x', 'x'"
    return [
        f"{verb} INTO webchat_consenttext ({COLUMNS}) VALUES ({text.pk}, {text.version_id}, 'cs', {values})",
        f"{verb} INTO webchat_consenttext ({COLUMNS}) VALUES (9999, {text.version_id}, 'cs', {values})",
        f"{verb} INTO webchat_consenttext ({COLUMNS}) VALUES ({text.pk}, {text.version_id}, 'de', {values})",
        f"{verb} INTO webchat_consenttext ({COLUMNS}) SELECT id, version_id, language, {values} FROM"
        " webchat_consenttext",
        f"{verb} INTO webchat_consentversion (id, number, published_at, webchat_id)"
        f" VALUES ({text.version_id}, 1, '2020-01-01', {text.version.webchat_id})",
    ]


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
@pytest.mark.parametrize("number", range(5))
def test_not_by_replacing(text, verb, number):
    with refused():
        execute(replacing(verb, text)[number])


def all_rows(file):
    return [
        file.execute(f"SELECT * FROM webchat_consent{name} ORDER BY id").fetchall()
        for name in ("text", "version")
    ]


def test_not_by_a_connection_without_our_pragmas(text, stranger):
    before = all_rows(stranger)
    assert all(before)
    assert stranger.execute("PRAGMA recursive_triggers").fetchone() == (0,)
    ways = [
        *replacing("INSERT OR REPLACE", text),
        *replacing("REPLACE", text),
        "UPDATE webchat_consenttext SET label = 'x'",
        "UPDATE OR REPLACE webchat_consenttext SET id = 1",
        "UPDATE OR IGNORE webchat_consenttext SET label = 'x'",
        "DELETE FROM webchat_consenttext",
        "DELETE FROM webchat_consentversion",
        "UPDATE webchat_consentversion SET number = 9",
    ]

    for way in ways:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(way)

    assert all_rows(stranger) == before
