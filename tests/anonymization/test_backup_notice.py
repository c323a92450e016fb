"""Test that ``migrate`` asks for a backup before a migration that cannot be undone.

A refusal changes nothing.
"""

from __future__ import annotations

import sys
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError
from django.core.management.sql import emit_pre_migrate_signal
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from anonymization import triggers
from anonymization.models import Erasure
from tests.factories import RecordFactory

pytestmark = pytest.mark.django_db

NAMES = (
    "anonymization.0009_unlink_records, anonymization.0010_drop_links, "
    "sessions_app.0015_unlink_rows, sessions_app.0016_drop_links"
)
QUESTION = "Is there a backup, and shall the migrations run? [y/N]"


def planned(*, backwards: bool = False) -> list[tuple[Any, bool]]:
    """Return all migrations of the product, in the order in which an old database gets them."""
    disk = MigrationLoader(connection).disk_migrations
    ours = ("anonymization", "sessions_app", "webchat")
    return [(disk[key], backwards) for key in sorted(disk) if key[0] in ours]


def migrate(plan: list[tuple[Any, bool]], *, interactive: bool = True) -> str:
    """Run the first step of ``migrate``, before any migration. Return its output."""
    printed = StringIO()
    emit_pre_migrate_signal(0, interactive, "default", plan=plan, apps=apps, stdout=printed)
    return printed.getvalue()


@pytest.fixture(autouse=True)
def _triggers_stand() -> Any:
    """Create the triggers again. On SQLite, ``migrate`` drops them before its first migration."""
    yield
    triggers.after_migrate("default")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that simulates a terminal with an answer. The questions are collected."""
    asked: list[str] = []

    def give(text: str | None, *, terminal: bool = True) -> list[str]:
        def read(question: str) -> str:
            asked.append(question)
            if text is None:
                raise EOFError
            return text

        monkeypatch.setattr("builtins.input", read)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: terminal))
        return asked

    return give


@pytest.mark.parametrize("text", ["", "n", "no", "x", None])
def test_who_does_not_confirm_migrates_nothing(answer: Any, text: str | None) -> None:
    RecordFactory.create_batch(2)
    asked = answer(text)
    with pytest.raises(CommandError, match=r"The migrations did not run\. Nothing was changed\."):
        migrate(planned())
    assert asked == [f"The ledger has 2 records. {QUESTION} "]
    assert triggers.missing(connection) == [], "a refusal leaves the triggers alone"


@pytest.mark.parametrize("text", ["y", "Y", " yes "])
def test_who_confirms_is_told_what_is_lost(answer: Any, text: str) -> None:
    RecordFactory()
    asked = answer(text)
    printed = migrate(planned())
    assert len(asked) == 1
    assert f"These migrations can't be undone: {NAMES}." in printed
    assert "Back up the database first." in printed


@pytest.mark.parametrize(("terminal", "interactive"), [(False, True), (True, False)])
def test_a_script_is_told_and_goes_on(answer: Any, terminal: bool, interactive: bool) -> None:
    RecordFactory()
    asked = answer("n", terminal=terminal)
    assert NAMES in migrate(planned(), interactive=interactive)
    assert asked == []


def test_nobody_is_asked_where_nothing_was_anonymized(answer: Any) -> None:
    asked = answer("n")
    assert NAMES in migrate(planned())
    assert asked == []


def test_a_new_database_is_told_nothing(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer("n")
    monkeypatch.setattr(Erasure._meta, "db_table", "not_made_yet")
    assert migrate(planned()) == ""
    assert asked == []


@pytest.mark.parametrize("backwards", [True, False])
def test_other_migrations_ask_nothing(answer: Any, backwards: bool) -> None:
    RecordFactory()
    asked = answer("n")
    others = [(m, b) for m, b in planned(backwards=backwards) if backwards or m.name < "0009"]
    assert migrate(others) == ""
    assert asked == []
