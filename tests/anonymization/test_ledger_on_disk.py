"""Test that the external copy of the ledger is on the disk before the database commits."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from anonymization import engine, restoration
from anonymization.ledger import external_copy, recording
from anonymization.models import Erasure, Source
from sessions_app.models import Session
from tests.factories import SessionFactory

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = recording.Requester(Source.COMMAND)
Happened = list[tuple[str, Any]]


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    settings.ERASURE_LEDGER_DIR.mkdir()
    return tmp_path / "ledger"


@pytest.fixture
def copy(folder: Path) -> Path:
    external_copy.begin(folder / external_copy.FILE, entries=[])
    return folder / external_copy.FILE


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> Happened:
    """Record each commit, and the lines or file names that each fsync writes to the disk."""
    record: Happened = []
    fsync, commit = os.fsync, connection._commit

    def record_fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            record.append(("folder", external_copy.FILE in os.listdir(descriptor)))
        else:
            record.append(("file", kinds_in(descriptor)))
        fsync(descriptor)

    def record_commit() -> None:
        commit()
        record.append(("commit", None))

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(connection, "_commit", record_commit)
    return record


def kinds_in(descriptor: int) -> list[str]:
    """Return the kind of each line of a file. The file may be open for writing only."""
    with open(f"/dev/fd/{descriptor}", encoding="ascii") as lines:
        return [kind for line in lines for kind in json.loads(line)]


def erase(session: Session) -> None:
    engine.erase(session, requester=COMMAND)


def erase_and_fail(session: Session) -> None:
    with recording.erasing():
        erase(session)
        raise ZeroDivisionError


def fail_at(call: int) -> Callable[[int], None]:
    """Return an fsync that fails at the given call, like that of a broken disk."""
    fsync, calls = os.fsync, iter(range(1, 100))

    def fsync_or_fail(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    return fsync_or_fail


def test_the_intent_is_on_the_disk_before_the_commit_and_the_seal_after_it(
    copy: Path, happened: Happened
) -> None:
    session = SessionFactory()
    happened.clear()
    erase(session)
    assert happened == [("file", ["intents"]), ("commit", None), ("file", ["intents", "seal"])]


def test_a_void_is_on_the_disk_too(copy: Path, happened: Happened) -> None:
    session = SessionFactory()
    happened.clear()
    with pytest.raises(ZeroDivisionError):
        erase_and_fail(session)
    assert happened == [("file", ["intents"]), ("file", ["intents", "void"])]


def test_a_new_copy_is_on_the_disk_with_its_name_before_the_commit(
    folder: Path, happened: Happened
) -> None:
    restoration.begin_copy(requester=COMMAND)
    assert happened == [
        ("file", ["intents"]),
        ("folder", True),
        ("commit", None),
        ("file", ["intents", "seal"]),
    ]


def test_no_other_process_appends_at_the_same_time(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = []

    def record_lock(descriptor: int) -> None:
        with copy.open("a") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked.append(False)
            except BlockingIOError:
                locked.append(True)

    session = SessionFactory()
    monkeypatch.setattr(os, "fsync", record_lock)
    erase(session)
    assert locked == [True, True], "intent and seal"


def test_without_an_intent_on_the_disk_nothing_is_erased(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionFactory()
    monkeypatch.setattr(os, "fsync", fail_at(1))
    with pytest.raises(recording.LedgerUnavailable):
        erase(session)
    assert not Erasure.objects.exists()
    session.refresh_from_db()
    assert session.entered_name


def test_without_a_seal_on_the_disk_the_erasure_counts(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionFactory()
    monkeypatch.setattr(os, "fsync", fail_at(2))
    erase(session)
    session.refresh_from_db()
    assert session.anonymized_in
    assert restoration.standing() is restoration.Standing.EVEN


def test_a_copy_whose_folder_is_not_on_the_disk_is_not_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", fail_at(2))
    with pytest.raises(recording.LedgerUnavailable):
        restoration.begin_copy(requester=COMMAND)
    assert not Erasure.objects.exists()
