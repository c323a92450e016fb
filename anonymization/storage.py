"""The storage of files: whether it is the right one, and whether it takes files.

The first stored file of an installation writes a marker, an object with a random name, and the database keeps that
name. A folder without the marker is another one: ``MEDIA_ROOT`` is wrong or its volume is not mounted. Files are never
written there, because an erasure would look for them in the right storage and not find them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from anonymization.models import StorageMarker

PREFIX = "storage-"

logger = logging.getLogger(__name__)


class StorageUnavailable(Exception):
    """The storage takes no file now. The message is fit for visitors; the reason is in the log."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The file was not stored, because no files can be stored at the moment. Please try again later."
            )
        )


@contextmanager
def storing() -> Iterator[None]:
    """Turn each failure of the storage into ``StorageUnavailable``. Do nothing else in the block.

    Raises:
        StorageUnavailable: the storage failed.
    """
    try:
        yield
    except StorageUnavailable:
        raise
    except Exception as failure:  # a storage fails in its own ways
        logger.exception("a file could not be stored")
        raise StorageUnavailable from failure


def require_storage() -> None:
    """Refuse to store files unless the storage proves to be the right one. The first file marks it.

    Costs one query and one look for one name. Call it outside of a transaction: a marker must not outlive the row
    that a rollback takes away.

    Raises:
        StorageUnavailable: nothing may be stored.
    """
    marker = StorageMarker.objects.first() or mark_storage()
    if problem := _problem_of(marker):
        logger.error("files are refused: %s", problem)
        raise StorageUnavailable


def mark_storage() -> StorageMarker:
    """Return the marker, after writing it if the database has none yet.

    A storage that has taken the right one's place is never marked: it would pass for the right one.

    Raises:
        StorageUnavailable: the storage fails, or it holds the marker of another installation.
    """
    name = ""
    try:
        with transaction.atomic():
            # The second of two concurrent first uploads waits here until the first one's marker is written.
            marker, is_first = StorageMarker.objects.get_or_create(pk=1)
            if is_first:
                name = marker.name
                _write_marker(name)
    except BaseException:
        if name:
            with suppress(Exception):
                default_storage.delete(name)
        raise
    return marker


def _write_marker(name: str) -> None:
    with storing():
        if problem := foreign_marker():
            logger.error("files are refused: %s", problem)
            raise StorageUnavailable
        default_storage.save(name, ContentFile(b"The files of mluvii GDPR are here. Keep this one.\n"))


def foreign_marker(*, ours: str = "") -> str:
    """Return a sentence that names the marker of another installation in the storage, or nothing."""
    try:
        names = default_storage.listdir("")[1]
    except FileNotFoundError:  # nothing was stored yet
        return ""
    others = sorted(name for name in names if name.startswith(PREFIX) and name != ours)
    return f"The storage holds {others[0]}, the marker of another installation." if others else ""


def storage_problem() -> str:
    """Return, for an administrator, why the storage does not prove to be the right one; nothing when it does."""
    marker = StorageMarker.objects.first()
    if marker is None:
        return "No storage is marked yet: the first upload will do it."
    return _problem_of(marker)


def _problem_of(marker: StorageMarker) -> str:
    try:
        found = default_storage.exists(marker.name)
    except Exception:  # a storage fails in its own ways
        logger.exception("the storage did not answer")
        return "The storage does not answer."
    return "" if found else f"The storage lacks {marker.name}: is MEDIA_ROOT right, is the share mounted?"
