"""The commands: exit codes, output without a person, and bad ids that change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from anonymization.models import Erasure
from sessions_app.models import Guest, Session
from tests.database import digest
from tests.factories import make_session

pytestmark = pytest.mark.django_db

BAD_IDS = [
    "null",
    "",
    "0",
    "-1",
    "1,2",
    "%",
    "9223372036854775808",
    "[1]",
    "999999",
    "1 or 1=1",
    "١",
    "01",
    "+1",
    "1.0",
]
BAD_ARGUMENTS = [[bad] for bad in BAD_IDS] + [[], ["1", "2"], ["1 2"]]


@pytest.mark.parametrize("command", ["anonymize_session", "anonymize_guest"])
@pytest.mark.parametrize("given", BAD_ARGUMENTS, ids=repr)
def test_bad_id_is_refused_and_changes_nothing(command: str, given: list[str]) -> None:
    make_session()
    before = digest()
    with pytest.raises(
        CommandError, match=r"^(Give exactly one id: a positive number without sign|There is no)"
    ):
        call_command(command, *given)
    assert digest() == before


def test_unknown_number_is_named() -> None:
    with pytest.raises(CommandError, match=r"^There is no Guest 7\.$") as refused:
        call_command("anonymize_guest", "7")
    assert refused.value.returncode == 1


@pytest.mark.parametrize("command", ["anonymize_session", "anonymize_guest"])
def test_it_erases_and_a_second_call_says_so(command: str, capsys: Any) -> None:
    session = make_session()
    subject = session.pk if command == "anonymize_session" else session.guest_id
    call_command(command, str(subject), "--json")
    first = json.loads(capsys.readouterr().out)
    record = Erasure.objects.get()
    assert first == {
        "result": "anonymized", "id": subject, "record": record.number, "counts": record.counts, "pending_files": 0,
    }  # fmt: skip
    call_command(command, str(subject))
    output = capsys.readouterr().out
    counts = ", ".join(f"{label.partition('.')[2]}: {n}" for label, n in record.counts.items())
    assert output == f"already anonymized ({counts})\n"
    assert "Session: 1" in counts
    call_command(command, str(subject), "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "result": "already anonymized",
        "id": subject,
        "counts": {},
    }
    assert Session.objects.get().anonymized_at is not None
    assert Guest.objects.get().anonymized_at is not None


@pytest.mark.parametrize("command", ["anonymize_session", "anonymize_guest"])
def test_dry_run_changes_nothing(command: str, capsys: Any) -> None:
    session = make_session()
    subject = session.pk if command == "anonymize_session" else session.guest_id
    before = digest()
    call_command(command, str(subject), "--dry-run", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert digest() == before
    call_command(command, str(subject), "--json")
    erased = json.loads(capsys.readouterr().out)
    assert shown == {"result": "would anonymize", "id": subject, "counts": erased["counts"]}


def test_status_counts(capsys: Any) -> None:
    session = make_session()
    make_session(session.webchat, email="petr@example.com")
    call_command("anonymize_session", str(session.pk))
    capsys.readouterr()
    call_command("erasure_status", "--json")
    status = json.loads(capsys.readouterr().out)
    assert status["erasures"] == 1
    assert status["anonymized"] == {"sessions_app.Guest": 1, "sessions_app.Session": 1}
    assert status["identified"] == {"sessions_app.Guest": 1, "sessions_app.Session": 1}
    call_command("erasure_status")
    assert "pending_files: 0" in capsys.readouterr().out


def test_left_over_files_fail_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from anonymization.management.commands import delete_erased_files

    call_command("delete_erased_files")
    monkeypatch.setattr(delete_erased_files, "delete_pending_files", lambda: 2)
    with pytest.raises(CommandError, match="2 files"):
        call_command("delete_erased_files")
