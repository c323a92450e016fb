"""Test that ``check`` and ``/readyz`` name a storage without access and a full volume."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.test import Client

from anonymization.storage import mark_storage
from mluvii_gdpr import readiness
from tests.anonymization.test_storage import FAULTS

pytestmark = pytest.mark.django_db

NAMED_AS = {
    "missing": "E010",
    "empty": "E010",
    "a file": "E010",
    "another installation's": "E010",
    "broken": "E010",
    "new database, used folder": "E011",
    "new database, a file": "E010",
}


@pytest.fixture(autouse=True)
def _no_old_answers() -> Iterator[None]:
    for answer in (readiness.answer, readiness.warnings):
        answer.forget()
    yield
    for answer in (readiness.answer, readiness.warnings):
        answer.forget()


def named() -> set[str]:
    """Return the ids of the findings of the checks of storage and volumes."""
    checks = run_checks(databases=["default"])
    return {str(message.id).removeprefix("mluvii_gdpr.") for message in checks} & {
        "E010", "E011", "E012", "W010", "W011",
    }  # fmt: skip


@pytest.mark.parametrize(("fault", "expected"), NAMED_AS.items())
def test_a_storage_that_takes_no_file_is_named(
    fault: str,
    expected: str,
    client: Client,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert named() == set(), "a new installation"
    FAULTS[fault](settings, tmp_path, monkeypatch)
    assert named() == {expected}
    response = client.get("/readyz")
    assert (response.status_code, response.json()["problems"]) == (503, [f"mluvii_gdpr.{expected}"])


def test_without_the_database_no_storage_is_asked(
    settings: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    FAULTS["empty"](settings, tmp_path, monkeypatch)
    assert {message.id for message in run_checks()} == set()


def test_a_migration_is_not_refused_for_the_storage(
    settings: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    FAULTS["empty"](settings, tmp_path, monkeypatch)
    call_command("migrate", verbosity=0)


@pytest.mark.parametrize("folder", ["", "attachments", "logos"])
def test_a_folder_that_can_not_be_written_is_named(
    folder: str, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_storage()
    for name in ("attachments", "logos"):
        (settings.MEDIA_ROOT / name).mkdir()
    assert named() == set()
    refused = settings.MEDIA_ROOT / folder
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != refused)
    assert named() == {"E012"}
    assert client.get("/readyz").json()["problems"] == ["mluvii_gdpr.E012"]


def test_a_file_in_the_place_of_a_folder_is_named(settings: Any) -> None:
    mark_storage()
    (settings.MEDIA_ROOT / "attachments").touch()
    assert named() == {"E012"}


def test_a_folder_below_a_closed_one_fails_no_check(settings: Any, monkeypatch: Any) -> None:
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "closed" / "media"
    real = os.stat

    def stat(path: Any, *args: Any, **options: Any) -> os.stat_result:
        if "closed" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert named() == set(), "it is judged by the nearest folder that can be seen"


def test_a_folder_that_is_not_made_yet_is_judged_by_its_parent(
    settings: Any, monkeypatch: Any
) -> None:
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "a" / "b"
    assert named() == set()
    monkeypatch.setattr(os, "access", lambda *_args: False)
    assert named() == {"E012"}


def test_a_storage_without_folders_is_not_asked_for_them(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "mluvii_gdpr.checks.FileSystemStorage", type("Other", (FileSystemStorage,), {})
    )
    monkeypatch.setattr(os, "access", lambda *_args: False)
    assert named() == set()


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that changes the reported size of the volume of a folder."""
    statvfs = os.statvfs

    def change(folder: Path, **fields: int) -> None:
        def changed(path: Any) -> Any:
            real = statvfs(path)
            names = [name for name in dir(real) if name.startswith("f_")]
            values = {name: getattr(real, name) for name in names} | (
                fields if path == folder else {}
            )
            return type("Volume", (), values)

        monkeypatch.setattr(os, "statvfs", changed)

    return change


@pytest.mark.parametrize(
    ("free", "full"),
    [
        ({"f_bavail": 1999, "f_frsize": 1}, True),
        ({"f_bavail": 2000, "f_frsize": 1}, False),
        ({"f_bavail": 10**6, "f_frsize": 4096, "f_files": 100, "f_favail": 0}, True),
        ({"f_bavail": 10**6, "f_frsize": 4096, "f_files": 0, "f_favail": 0}, False),
    ],
)
def test_a_media_volume_that_fills_up_is_a_warning(
    client: Client, settings: Any, volume: Callable[..., None], free: dict[str, int], full: bool
) -> None:
    settings.ATTACHMENT_MAX_BYTES = 100
    mark_storage()
    volume(settings.MEDIA_ROOT, **free)
    assert named() == ({"W010"} if full else set())
    response = client.get("/readyz")
    assert (response.status_code, response.json()["problems"]) == (200, [])
    assert ("mluvii_gdpr.W010" in response.json()["warnings"]) == full


def test_a_ledger_volume_that_fills_up_is_a_warning(
    client: Client, settings: Any, volume: Callable[..., None], tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    settings.ERASURE_LEDGER_DIR.mkdir()
    volume(settings.ERASURE_LEDGER_DIR, f_bavail=50 * 2**20 - 1, f_frsize=1)
    assert named() == {"W011"}
    volume(settings.ERASURE_LEDGER_DIR, f_bavail=50 * 2**20, f_frsize=1)
    assert named() == set()


def test_a_ledger_folder_that_is_gone_fails_no_check_of_the_volume(
    settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path / "gone"
    assert named() == set()
