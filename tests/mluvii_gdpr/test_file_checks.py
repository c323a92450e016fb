"""Test that checks name each place that other users of the machine can access.

The commands are tested in tests/test_production.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mluvii_gdpr.file_checks import (
    check_files_are_closed,
    check_ledger_has_a_copy,
    check_shell_finds_the_environment,
)


@pytest.fixture
def places(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """Put all checked files into a separate, closed folder. Return them by name."""
    settings.VAR_DIR, settings.ENVIRONMENT_FILE = tmp_path / "var", tmp_path / "link"
    settings.MEDIA_ROOT, settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "media", str(tmp_path / "tmp")
    settings.ERASURE_LEDGER_DIR = tmp_path
    monkeypatch.setitem(settings.CACHES["default"], "LOCATION", tmp_path / "cache")
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db it's.sqlite3"}
    for name, value in database.items():
        monkeypatch.setitem(settings.DATABASES["default"], name, value)
    for name in ("var", "media", "tmp", "cache"):
        (tmp_path / name).mkdir(mode=0o700)
    for name in (
        "ledger.jsonl",
        "db it's.sqlite3",
        "db it's.sqlite3-wal",
        "db it's.sqlite3-shm",
        "x.env",
    ):
        (tmp_path / name).touch(mode=0o640)
    (tmp_path / "var" / "secret_key").touch(mode=0o600)
    (tmp_path / "link").symlink_to(tmp_path / "x.env")
    return {path.name: path for path in tmp_path.rglob("*") if not path.is_symlink()}


def test_closed_places_are_clean_and_absent_ones_too(
    places: dict[str, Path], settings: Any
) -> None:
    assert check_files_are_closed(None) == []
    settings.MEDIA_ROOT = places["media"] / "none"
    assert check_files_are_closed(None) == []


@pytest.mark.parametrize("mode", [0o704, 0o701, 0o602])
def test_each_open_place_is_named(places: dict[str, Path], mode: int) -> None:
    assert len(places) == 10
    for path in places.values():
        before = path.stat().st_mode
        path.chmod(mode)
        (found,) = check_files_are_closed(None)
        path.chmod(before)
        assert found.id == "mluvii_gdpr.E020"
        assert found.msg == f"Other users of this machine can get at {path} (mode {mode:o})."
        assert str(found.hint).startswith("Run: chmod o= ")
        assert str(found.hint).replace("'\"'\"'", "'").strip("'").endswith(path.name)


def test_files_next_to_an_open_database_are_not_named_with_it(places: dict[str, Path]) -> None:
    """These files may be deleted before the recommended command runs."""
    for name in ("db it's.sqlite3", "db it's.sqlite3-wal"):
        places[name].chmod(0o644)
    assert len(check_files_are_closed(None)) == 1
    places["db it's.sqlite3"].chmod(0o640)
    (found,) = check_files_are_closed(None)
    assert "sqlite3-wal (mode 644)" in found.msg


def test_a_folder_of_all_users_is_not_to_be_closed_to_them(places: dict[str, Path]) -> None:
    places["tmp"].chmod(0o1777)
    (found,) = check_files_are_closed(None)
    assert found.hint == "Set another folder: this one is for all users."


def test_a_production_that_a_fresh_shell_does_not_find_is_named(
    settings: Any, tmp_path: Path
) -> None:
    settings.ENVIRONMENT_FILE = None
    assert [found.id for found in check_shell_finds_the_environment(None)] == ["mluvii_gdpr.W021"]
    settings.ENVIRONMENT_FILE = tmp_path / "production"
    assert check_shell_finds_the_environment(None) == []


def test_a_production_without_a_separate_external_copy_is_warned(
    settings: Any, tmp_path: Path
) -> None:
    settings.ERASURE_LEDGER_DIR = None
    assert [found.id for found in check_ledger_has_a_copy(None)] == ["mluvii_gdpr.W022"]
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    assert check_ledger_has_a_copy(None) == []
    settings.MEDIA_ROOT = tmp_path
    assert [found.id for found in check_ledger_has_a_copy(None)] == ["mluvii_gdpr.W023"]
