"""Test that the standard output of a command is its result only.

Warnings are printed to standard error, so that ``--json`` prints one object.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.db.migrations.executor import MigrationExecutor

from lib.commands import MigratedCommand
from tests.test_installation import own_commands


@pytest.fixture
def _unmigrated(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = [(SimpleNamespace(app_label="sessions_app"), False)]
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_arguments: plan)


@pytest.mark.django_db
@pytest.mark.usefixtures("_unmigrated")
@pytest.mark.parametrize("command", ["ledger_head", "delete_old_signals", "anonymize_expired"])
def test_a_missing_migration_leaves_the_output_one_object(command: str, capsys: Any) -> None:
    call_command(command, "--json")
    printed = capsys.readouterr()
    assert isinstance(json.loads(printed.out), dict)
    assert "You have 1 unapplied migration(s)" in printed.err


@pytest.mark.any_database
def test_each_command_that_looks_for_missing_migrations_warns_like_this() -> None:
    places = get_commands()
    commands = {name: load_command_class(places[name], name) for name in own_commands()}
    looking = {name for name, command in commands.items() if command.requires_migrations_checks}
    assert looking >= {"ledger_head", "anonymize_guest"}
    assert looking == {n for n, command in commands.items() if isinstance(command, MigratedCommand)}
