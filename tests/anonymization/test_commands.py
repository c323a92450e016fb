"""Test the commands: exit codes, output without personal data, and refusal of wrong ids."""

from __future__ import annotations

import errno
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from anonymization.ledger import external_copy
from anonymization.maintenance import Outcome
from anonymization.models import Erasure, FileDeletion, Job, Maintenance
from anonymization.storage import mark_storage
from sessions_app.models import Guest, Session
from tests.database import digest
from tests.factories import SessionFactory

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
    SessionFactory()
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
    session = SessionFactory()
    subject = session.pk if command == "anonymize_session" else session.guest_id
    call_command(command, str(subject), "--json")
    first = json.loads(capsys.readouterr().out)
    record = Erasure.objects.get()
    assert first == {
        "result": "anonymized", "id": subject, "record": record.number, "counts": record.counts, "pending_files": 0,
    }  # fmt: skip
    call_command(command, str(subject))
    output = capsys.readouterr().out
    assert output == "already anonymized\n", "the record is not named"
    call_command(command, str(subject), "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "result": "already anonymized",
        "id": subject,
        "counts": {},
    }
    assert Session.objects.get().anonymized_in is not None
    assert Guest.objects.get().anonymized_in is not None


@pytest.mark.parametrize("command", ["anonymize_session", "anonymize_guest"])
def test_dry_run_changes_nothing(command: str, capsys: Any) -> None:
    session = SessionFactory()
    subject = session.pk if command == "anonymize_session" else session.guest_id
    before = digest()
    call_command(command, str(subject), "--dry-run", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert digest() == before
    call_command(command, str(subject), "--json")
    erased = json.loads(capsys.readouterr().out)
    assert shown == {"result": "would anonymize", "id": subject, "counts": erased["counts"]}


def test_status_counts(capsys: Any, settings: Any) -> None:
    settings.ERASURE_LEDGER_DIR = None
    session = SessionFactory()
    SessionFactory(webchat=session.webchat, email="petr@example.com")
    call_command("anonymize_session", str(session.pk))
    mark_storage()
    capsys.readouterr()
    call_command("erasure_status", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "erasures": 1,
        "pending_files": 0,
        "unfinished_uploads": 0,
        "not_physically_complete": 1,
        "storage": "It is the one that the files were written to.",
        "outside_copy": "none is kept",
        "unfinished_run": {},
        "holds": 0,
        "holds_overdue": 0,
        "erasures_waiting": 0,
        "last_good_run": dict.fromkeys(Job.values, "never"),
        "anonymized": {"sessions_app.Guest": 1, "sessions_app.Session": 1},
        "identified": {"sessions_app.Guest": 1, "sessions_app.Session": 1},
    }
    call_command("erasure_status")
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["erasures: 1", "pending_files: 0"]
    assert "anonymized sessions_app.Session: 1" in said
    assert len(said) == 19


def test_status_fails_while_the_copy_is_not_even_or_files_are_left(
    settings: Any, tmp_path: Path, capsys: Any
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path
    said = r"^The external copy of the ledger is missing\. Mount the volume .* or a lost copy, run manage\.py begin_led"
    with pytest.raises(CommandError, match=said):
        call_command("erasure_status", "--json")
    assert json.loads(capsys.readouterr().out)["outside_copy"] == "missing"
    external_copy.begin(tmp_path / external_copy.FILE, entries=[])
    call_command("erasure_status", "--json")
    assert json.loads(capsys.readouterr().out)["outside_copy"] == "even"
    settings.ERASURE_LEDGER_DIR = None
    call_command("anonymize_session", str(SessionFactory().pk))
    FileDeletion.objects.create(erasure=Erasure.objects.get(), name="a")
    with pytest.raises(CommandError, match=r"^1 files of erasures are not deleted yet\.$"):
        call_command("erasure_status")


def test_status_fails_while_the_storage_is_another_one(
    settings: Any, tmp_path: Path, capsys: Any
) -> None:
    settings.ERASURE_LEDGER_DIR = None
    marker = mark_storage()
    settings.MEDIA_ROOT = tmp_path / "not mounted"
    with pytest.raises(
        CommandError, match=f"^The storage lacks {marker.name}: is MEDIA_ROOT right"
    ):
        call_command("erasure_status", "--json")
    assert marker.name in json.loads(capsys.readouterr().out)["storage"]


def test_a_copy_is_not_begun_in_a_folder_that_is_closed(settings: Any, monkeypatch: Any) -> None:
    settings.ERASURE_LEDGER_DIR = Path("/closed")
    deny_below("/closed", monkeypatch)
    with pytest.raises(
        CommandError, match=r"^The external copy of the erasure ledger can't be written"
    ):
        call_command("begin_ledger_copy")


def deny_below(folder: str, monkeypatch: Any) -> None:
    """Let the file system answer as for a folder that is closed to this user, and to root."""
    real = os.stat

    def stat(path: Any, *args: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(f"{folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", stat)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], {"rewrite": False, "wait": timedelta(seconds=5)}),
        (["--rewrite", "--wait", "0.2"], {"rewrite": True, "wait": timedelta(seconds=0.2)}),
        (["--wait", "-1"], {"rewrite": False, "wait": timedelta(0)}),
    ],
)
def test_maintain_waits_as_long_as_asked(
    arguments: list[str], asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    ran: list[dict[str, Any]] = []

    def maintain(**options: Any) -> Outcome:
        ran.append(options)
        return Outcome(Maintenance(rewritten=True), skipped=[])

    monkeypatch.setattr("anonymization.management.commands.maintain.maintain", maintain)
    call_command("maintain", *arguments)
    assert ran == [asked]
    assert capsys.readouterr().out == "Done. Erasures that are not physically complete: 0.\n"


@pytest.mark.parametrize("wrong", ["x", "nan", "inf", "1e300"])
def test_maintain_refuses_to_wait_for_more_than_a_day(wrong: str) -> None:
    with pytest.raises(CommandError, match=r"--wait: give seconds, at most 86400$"):
        call_command("maintain", "--wait", wrong)


def test_left_over_files_fail_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from anonymization.management.commands import delete_erased_files

    call_command("delete_erased_files")
    monkeypatch.setattr(delete_erased_files, "delete_pending_files", lambda: 2)
    with pytest.raises(CommandError, match=r"^2 files could not be deleted yet\."):
        call_command("delete_erased_files")
