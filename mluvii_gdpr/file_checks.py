"""Check the files of an installation (``check --deploy``).

E020  file or folder that other users of the machine can read
W021  production without an environment file
W022  production without an external copy of the erasure ledger
W023  external copy in a folder that is restored together with the data
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from anonymization import restoration
from anonymization.ledger.external_copy import file_of


@register(Tags.security, deploy=True)
def check_files_are_closed(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Report files and folders with personal data or secrets that other users can access.

    If a folder is not accessible, nothing in it is. The content of folders is therefore not
    checked.
    """
    return list(_open_to_others())


def _open_to_others() -> Iterator[CheckMessage]:
    for path in _places():
        with suppress(OSError):  # The file does not exist or is not accessible.
            mode = path.stat().st_mode
            if mode & stat.S_IRWXO:
                yield Error(
                    f"Other users of this machine can get at {path} (mode {stat.S_IMODE(mode):o}).",
                    hint="Set another folder: this one is for all users."
                    if mode & stat.S_ISVTX
                    else f"Run: chmod o= {shlex.quote(str(path))}",
                    id="mluvii_gdpr.E020",
                )


def _places() -> Iterator[Path]:
    yield settings.VAR_DIR
    yield settings.VAR_DIR / "secret_key"
    yield settings.VAR_DIR / "evidence_key"
    yield Path(settings.MEDIA_ROOT)
    yield Path(settings.FILE_UPLOAD_TEMP_DIR)
    if settings.ENVIRONMENT_FILE:
        yield settings.ENVIRONMENT_FILE.resolve()
    if location := settings.CACHES["default"].get("LOCATION"):
        yield Path(str(location))
    if ledger := file_of():
        yield ledger
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        yield from _files_of_sqlite(Path(database["NAME"]))


def _files_of_sqlite(database: Path) -> Iterator[Path]:
    """Yield the database, or if it is closed, the files beside it.

    SQLite makes these with the mode of the database, and removes them with the last connection. A
    command for them could come too late.
    """
    with suppress(OSError):
        if database.stat().st_mode & stat.S_IRWXO:
            yield database
            return
    yield from (Path(f"{database}{suffix}") for suffix in ("-wal", "-shm"))


@register(Tags.security, deploy=True)
def check_shell_finds_the_environment(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production whose variables are missing in a new shell.

    A command in that shell would use another database.
    """
    if settings.ENVIRONMENT_FILE:
        return []
    return [
        Warning(
            "No environment file: a command in a fresh shell acts on another database.",
            hint="Run: ln -s /etc/mluvii-gdpr.env var/production, or touch var/production where each process gets "
            "the variables otherwise.",
            id="mluvii_gdpr.W021",
        )
    ]


@register(Tags.security, deploy=True)
def check_ledger_has_a_copy(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production that cannot tell after a restore which erasures are missing."""
    if not settings.ERASURE_LEDGER_DIR:
        return [
            Warning(
                "The erasure ledger has no external copy: a restored backup brings erased data back.",
                hint="Set ERASURE_LEDGER_DIR to a folder of another volume; see docs/ledger.md.",
                id="mluvii_gdpr.W022",
            )
        ]
    if shared := restoration.shared_folder():
        return [
            Warning(
                f"ERASURE_LEDGER_DIR and {shared} share a folder: a restored backup restores both.",
                hint="Move ledger.jsonl to a folder of another volume.",
                id="mluvii_gdpr.W023",
            )
        ]
    return []
