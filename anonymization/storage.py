"""Check that the file storage is the right one and accepts files.

The first upload of an installation writes a marker: an object with a random name, which the
database keeps. A folder without the marker is the wrong one, because ``MEDIA_ROOT`` is wrong or its
volume is not mounted. Files are never written to a wrong folder: an erasure would look for them in
the right storage and not find them.
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
    """The storage accepts no files now.

    The message can be shown to visitors. The log has the reason.
    """

    def __init__(self) -> None:
        super().__init__(
            _(
                "The file was not stored, because no files can be stored at the moment. Please try again later."
            )
        )


@contextmanager
def storing() -> Iterator[None]:
    """Turn every failure of the storage into ``StorageUnavailable``. Do nothing else in the block.

    Raises:
        StorageUnavailable: the storage failed.
    """
    try:
        yield
    except StorageUnavailable:
        raise
    except Exception as failure:  # Each storage backend has its own exceptions.
        logger.exception("a file could not be stored")
        raise StorageUnavailable from failure


def require_storage() -> None:
    """Check that the storage is the right one. The first upload marks it.

    This costs one query and one lookup in the storage. Call it outside a transaction: a rollback
    would delete the database row but not the marker.

    Raises:
        StorageUnavailable: no file may be stored.
    """
    marker = StorageMarker.objects.first() or mark_storage()
    if problem := _problem_of(marker):
        logger.error("files are refused: %s", problem)
        raise StorageUnavailable


def mark_storage() -> StorageMarker:
    """Return the marker; write it first if the database has none.

    A marker is written only once, and never next to the marker of another installation. Otherwise a
    wrong storage would be treated as the right one.

    Raises:
        StorageUnavailable: the storage fails, or it has the marker of another installation.
    """
    name = ""
    try:
        with transaction.atomic():
            # If two first uploads are concurrent, the second one waits here until the marker is
            # written.
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
        default_storage.save(
            name, ContentFile(b"The files of mluvii GDPR are here. Keep this one.\n")
        )


def foreign_marker(*, ours: str = "") -> str:
    """Return a sentence that names the marker of another installation, or an empty text."""
    try:
        names = default_storage.listdir("")[1]
    except FileNotFoundError:  # No file has been stored yet.
        return ""
    others = sorted(name for name in names if name.startswith(PREFIX) and name != ours)
    return f"The storage holds {others[0]}, the marker of another installation." if others else ""


def storage_problem() -> str:
    """Return why the storage cannot be proved to be the right one, or an empty text.

    The text is for administrators.
    """
    marker = StorageMarker.objects.first()
    if marker is None:
        return "No storage is marked yet: the first upload will do it."
    return _problem_of(marker)


def _problem_of(marker: StorageMarker) -> str:
    try:
        found = default_storage.exists(marker.name)
    except Exception:  # Each storage backend has its own exceptions.
        logger.exception("the storage did not answer")
        return "The storage does not answer."
    return (
        ""
        if found
        else f"The storage lacks {marker.name}: is MEDIA_ROOT right, is the share mounted?"
    )
