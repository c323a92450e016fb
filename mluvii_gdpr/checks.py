"""System checks of the project.

W001–W003   settings for production (``check --deploy``)
E010        the file storage lacks its marker or does not answer: it is not the right one
E011        the file storage has the marker of another installation
E012        ``MEDIA_ROOT`` is not writable
W010, W011  the volume of ``MEDIA_ROOT`` or of ``ERASURE_LEDGER_DIR`` is almost full

E01x and W01x need the database (``check --database default``). ``/readyz`` lists their ids.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.files.storage import FileSystemStorage, storages

from anonymization.models import StorageMarker
from anonymization.orphans import folders
from anonymization.storage import StorageUnavailable, foreign_marker, storage_problem, storing
from lib.mail import sends_mail

#: The number of free bytes below which the volume is reported. An erasure writes about 1 kB to the
#: external copy, so this is enough for some 50,000 erasures. A database or a log on the same volume
#: fills it faster.
LEDGER_FLOOR = 50 * 1024 * 1024
#: The media volume must have space for this number of files of the maximum size.
LARGEST_FILES = 20


@register(Tags.security, deploy=True)
def check_database_is_shared(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production on SQLite, which several hosts cannot share."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [
            Warning(
                "The database is SQLite, the embedded default.",
                hint="Set DATABASE_URL to PostgreSQL for more than a few visitors at once.",
                id="mluvii_gdpr.W001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_mail_is_sent(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production without mail: staff members cannot reset a forgotten password."""
    if sends_mail():
        return []
    return [
        Warning(
            "No mail is sent, so staff can't reset a forgotten password.",
            hint="Set EMAIL_URL, or set new passwords at /admin/.",
            id="mluvii_gdpr.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_evidence_key(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production whose evidence depends on SECRET_KEY, which is changed more often."""
    if settings.EVIDENCE_KEY not in ("", settings.SECRET_KEY):
        return []
    return [
        Warning(
            "The evidence of consent has no key of its own, so SECRET_KEY must never be lost.",
            hint="Set EVIDENCE_KEY to at least 32 random characters; see docs/operate/keys.md.",
            id="mluvii_gdpr.W003",
        )
    ]


@register(Tags.database)
def check_storage(app_configs: Any, *, databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that files would be stored in the right storage.

    Runs with ``check --database`` and in ``/readyz``.
    """
    if "default" not in (databases or []):
        return []
    return [*(_check_marker() or _check_writable())]


def _check_marker() -> list[CheckMessage]:
    marker = StorageMarker.objects.first()
    if marker is not None:
        hint = "Uploads are refused. Set MEDIA_ROOT right or mount the volume; see docs/configuration.md."
        problem = storage_problem()
        return [Error(problem, hint=hint, id="mluvii_gdpr.E010")] if problem else []
    try:
        with storing():
            problem = foreign_marker()
    except StorageUnavailable:
        return [Error("The storage does not answer.", hint="See the log.", id="mluvii_gdpr.E010")]
    hint = "Uploads are refused. Choose an empty folder, or delete the marker if nothing else uses this one."
    return [Error(problem, hint=hint, id="mluvii_gdpr.E011")] if problem else []


def _check_writable() -> list[CheckMessage]:
    """Check the permission to write, without writing. This also detects a read-only volume."""
    hint = "Uploads are refused. The user of the service must own the folder, and its volume must be writable."
    return [
        Error(f"{folder} can't be written.", hint=hint, id="mluvii_gdpr.E012")
        for folder in _media_folders()
        if not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK))
    ]


def _media_folders() -> Iterator[Path]:
    """Yield the existing folders of MEDIA_ROOT, or the nearest existing parent folder.

    A folder below one that is closed to this user counts as missing, where pathlib would raise.
    """
    storage = storages["default"]
    if not isinstance(storage, FileSystemStorage):
        return
    root = Path(storage.location)
    yield next(folder for folder in (root, *root.parents) if os.path.exists(folder))
    yield from (root / name for name in sorted(folders()) if os.path.exists(root / name))


@register(Tags.database)
def check_volumes(app_configs: Any, *, databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a volume that will soon be too full for a file or a ledger record.

    Runs with ``check --database`` and in ``/readyz``.
    """
    if "default" not in (databases or []):
        return []
    messages: list[CheckMessage] = []
    for folder in [*_media_folders()][:1]:
        if _is_full(folder, LARGEST_FILES * settings.ATTACHMENT_MAX_BYTES):
            hint = "Uploads will be refused soon. Free space, or enlarge the volume."
            messages.append(
                Warning(
                    "The volume of MEDIA_ROOT is almost full.", hint=hint, id="mluvii_gdpr.W010"
                )
            )
    if settings.ERASURE_LEDGER_DIR and _is_full(settings.ERASURE_LEDGER_DIR, LEDGER_FLOOR):
        hint = "Erasures will be refused soon. Free space, or enlarge the volume."
        message = "The volume of ERASURE_LEDGER_DIR is almost full."
        messages.append(Warning(message, hint=hint, id="mluvii_gdpr.W011"))
    return messages


def _is_full(folder: Path, floor: int) -> bool:
    """Return whether a volume has too few free bytes or no free inode."""
    try:
        volume = os.statvfs(folder)
    except OSError:  # Other checks report missing folders.
        return False
    # Some file systems do not count inodes. Both numbers are then 0.
    return volume.f_bavail * volume.f_frsize < floor or (
        volume.f_files > 0 and volume.f_favail == 0
    )
