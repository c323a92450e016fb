"""Test who may write to the external copy, its place, and processes that do not know of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from anonymization import restoration
from anonymization.checks import check_database
from anonymization.ledger import external_copy, recording
from anonymization.models import Erasure, LedgerState, Note
from anonymization.restoration import Standing, standing
from mluvii_gdpr import readiness
from tests.database import digest
from tests.factories import ErasureFactory, SessionFactory
from tests.pages import entry_url
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = 65534
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    settings.ERASURE_LEDGER_DIR.mkdir()
    forget()
    yield settings.ERASURE_LEDGER_DIR
    forget()


def forget() -> None:
    for answer in (readiness.ledger, readiness.answer, readiness.warnings):
        answer.forget()


def run(command: str, *arguments: str) -> tuple[str, str]:
    printed, complained = StringIO(), StringIO()
    call_command(command, *arguments, stdout=printed, stderr=complained)
    return printed.getvalue(), complained.getvalue()


def ready() -> Any:
    forget()
    return Client().get("/readyz").json()


# Rights -----------------------------------------------------------------------------------------------------


@ROOT
def test_root_creates_the_copy_for_the_owner_of_the_folder(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    run("begin_ledger_copy")
    created = (folder / external_copy.FILE).stat()
    assert (created.st_uid, created.st_gid) == (NOBODY, NOBODY)
    assert stat.S_IMODE(created.st_mode) == 0o600


@ROOT
def test_root_creates_no_copy_in_a_folder_that_the_service_cannot_write_to(
    folder: Path, settings: Any
) -> None:
    settings.MEDIA_ROOT = folder.with_name("media of the service")
    settings.MEDIA_ROOT.mkdir()
    os.chown(settings.MEDIA_ROOT, NOBODY, NOBODY)
    said = f"Run: chown --reference='{settings.MEDIA_ROOT}' {folder}"
    with pytest.raises(CommandError) as refused:
        run("begin_ledger_copy")
    assert said in str(refused.value)
    assert list(folder.iterdir()) == []
    assert not Erasure.objects.exists()


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (PermissionError, Standing.UNWRITABLE),
        (OSError, Standing.UNWRITABLE),
        (FileNotFoundError, Standing.MISSING),
    ],
)
def test_a_copy_that_is_closed_to_the_service_is_told_apart_from_a_missing_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: type[OSError], state: Standing
) -> None:
    class Closed:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def open(self, path: Any, flags: int, *rest: Any) -> int:
            if flags & os.O_RDWR and str(path).endswith(external_copy.FILE):
                raise failure
            return os.open(path, flags, *rest)

    run("begin_ledger_copy")
    assert standing() is Standing.EVEN
    monkeypatch.setattr(external_copy, "os", Closed())
    assert standing() is state
    assert ready()["problems"] == [f"ledger.{state.value}"]
    assert ("user of the service" in state.advice) == (state is Standing.UNWRITABLE)
    page = Client().get("/accounts/password/reset/").content.decode()
    assert ("may not read or write" in page) == (state is Standing.UNWRITABLE)
    with pytest.raises(recording.LedgerUnavailable):
        ErasureFactory()


# A folder that is restored with the rest ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["same", "inside", "around"])
@pytest.mark.parametrize("other", ["MEDIA_ROOT", "STATIC_ROOT"])
def test_a_folder_that_is_restored_with_the_data_is_warned_of(
    folder: Path, settings: Any, other: str, place: str
) -> None:
    assert restoration.shared_folder() == ""
    inside = folder / "data"
    setattr(settings, other, {"same": folder, "inside": folder.parent, "around": inside}[place])
    assert restoration.shared_folder() == other
    assert f"ERASURE_LEDGER_DIR and {other} share a folder" in run("begin_ledger_copy")[1]


def test_the_folder_of_an_sqlite_database_is_warned_of(folder: Path, settings: Any) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's files are its own")
    settings.ERASURE_LEDGER_DIR = Path(str(connection.settings_dict["NAME"])).parent
    assert restoration.shared_folder() == "the database"


# A process without the variable ------------------------------------------------------------------------------


def test_a_process_that_does_not_know_of_the_copy_refuses_to_erase(
    folder: Path, settings: Any, webchat: WebChat
) -> None:
    session = SessionFactory(webchat=webchat)
    run("begin_ledger_copy")
    settings.ERASURE_LEDGER_DIR = None
    before = digest()
    said = (
        "An external copy of the erasure ledger exists, but ERASURE_LEDGER_DIR is not set. "
        "Nothing was erased."
    )
    with pytest.raises(recording.LedgerUnavailable) as refused:
        ErasureFactory(subject=session)
    assert str(refused.value) == said
    with pytest.raises(CommandError, match="ERASURE_LEDGER_DIR is not set"):
        call_command("anonymize_guest", str(session.guest_id))
    assert digest() == before
    assert ready()["problems"] == ["anonymization.E015"]
    (error,) = check_database(None, databases=["default"])
    assert "end_ledger_copy" in error.hint
    assert Client().get(entry_url(webchat)).status_code == 200, "the chat serves"
    settings.ERASURE_LEDGER_DIR = folder
    ErasureFactory(subject=session)
    assert ready()["problems"] == []


def test_a_process_that_does_not_know_of_the_copy_verifies_nothing(
    folder: Path, settings: Any
) -> None:
    run("begin_ledger_copy")
    settings.ERASURE_LEDGER_DIR = None
    for command in ("verify_ledger", "erasure_status"):
        with pytest.raises(CommandError, match=r"ERASURE_LEDGER_DIR is not set\. Set it"):
            run(command)
    assert LedgerState.objects.get().verified_at is None
    assert "The ledger is valid" in run("verify_ledger", "--without-outside")[0]
    settings.ERASURE_LEDGER_DIR = folder
    assert "The ledger is valid" in run("verify_ledger")[0]


def test_a_copy_is_given_up_deliberately(folder: Path, settings: Any) -> None:
    session = SessionFactory()
    with pytest.raises(
        CommandError, match=r"^Remove ERASURE_LEDGER_DIR first, for all processes\.$"
    ):
        run("end_ledger_copy")
    run("begin_ledger_copy")
    settings.ERASURE_LEDGER_DIR = None
    assert run("end_ledger_copy")[0].startswith("Recorded as record 2.")
    assert [r.kind for r in Erasure.objects.order_by("number")] == [
        Note.COPY_BEGUN,
        Note.COPY_ENDED,
    ]
    with pytest.raises(CommandError, match=r"^No external copy of the ledger was created\.$"):
        run("end_ledger_copy")
    assert not LedgerState.copy_exists()
    ErasureFactory(subject=session)
    assert ready()["problems"] == []
    # The file is now older than the database. The installation is closed until a new copy is
    # created.
    settings.ERASURE_LEDGER_DIR = folder
    assert standing() is Standing.FOREIGN
    (folder / external_copy.FILE).unlink()
    run("begin_ledger_copy")
    assert LedgerState.copy_exists()
    ErasureFactory(subject=SessionFactory())
    call_command("verify_ledger", stdout=StringIO())


def test_a_copy_that_cannot_be_created_is_not_remembered(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(CommandError):
        run("begin_ledger_copy")
    assert not LedgerState.copy_exists()
