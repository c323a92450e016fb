"""Delete stored files after the commit of an erasure, and retry until they are deleted.

Deleting a missing file raises no error. A process with a wrong storage (a wrong MEDIA_ROOT, a share
that is not mounted) would therefore treat every file as deleted. A missing file counts as deleted
in two cases only:

- it existed before this process deleted it
- the storage has the marker that proves it to be the right one
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from anonymization.models import AwaitingFiles, Erasure, FileDeletion, FilesDeleted
from anonymization.storage import storage_problem
from lib.arrays import in_keys

UPLOAD_MAY_TAKE = timedelta(hours=1)
TEMPORARY_FOR = timedelta(days=1)
#: The number of files that are deleted before the database is updated.
BATCH = 500

logger = logging.getLogger(__name__)


def delete_files_of(erasures: Collection[uuid.UUID]) -> int:
    """Delete the files that these erasures queued; return the number of files that are left."""
    return _delete(FileDeletion.objects.filter(erasure__in=in_keys(erasures, "uuid")))


def delete_pending_files() -> int:
    """Try again to delete every queued file; return the number of files that are left.

    The number includes uploads to erased sessions that may still finish.
    """
    left = _delete(FileDeletion.objects.all())
    return left + FileDeletion.objects.filter(_may_finish()).exclude(erasure=None).count()


def unfinished_uploads() -> int:
    """Return the number of uploads that have begun but not ended.

    The files of a process that died are deleted after an hour.
    """
    return FileDeletion.objects.filter(erasure=None).count()


def queue_upload(name: str, *, subject: uuid.UUID | None) -> FileDeletion:
    """Queue the deletion of a file that is about to be written.

    The transaction that stores the row of the file must delete the queued row. ``subject`` is the
    ``uid`` of the row that the file belongs to. The erasure of that row takes over the queued row.
    Call ``storage.require_storage`` first.
    """
    return FileDeletion.objects.create(name=name, subject=subject)


def withdraw_upload(name: str) -> None:
    """Delete the file of a failed upload, even if an erasure has taken over its deletion.

    If the storage fails, the file remains in the queue.
    """
    if delete_file(name):
        settle(FileDeletion.objects.filter(name=name))


def delete_file(name: str) -> bool:
    """Delete a stored file and return whether it is certainly deleted.

    Never raises: an error of the storage is logged.
    """
    try:
        return _delete_stored(name)
    except Exception:  # Each storage backend has its own exceptions.
        logger.exception("the stored file %s could not be deleted", name)
        return False


def delete_stale_uploads() -> int:
    """Delete old temporary files in FILE_UPLOAD_TEMP_DIR; return the number of deleted files.

    Processes that died during an upload left them there.
    """
    deleted, before = 0, time.time() - TEMPORARY_FOR.total_seconds()
    # django.core.files.uploadedfile.TemporaryUploadedFile uses these names.
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("tmp*.upload*"):
        with suppress(OSError):  # The file was deleted in the meantime or has another owner.
            if path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
    return deleted


@transaction.atomic
def settle(queued: QuerySet[FileDeletion]) -> None:
    """Remove deleted files from the queue.

    Records the time at which the last file of an erasure was deleted. From then on nothing refers
    from the act to its rows.
    """
    # Lock the rows, because an erasure may be about to take over an upload. Lock the erasures,
    # because a concurrent call for another file of the same erasure must see that this row is
    # deleted.
    rows = queued.select_for_update().order_by("pk").values_list("erasure_id", flat=True)
    erasures = {erasure for erasure in rows if erasure}
    list(
        Erasure.objects.select_for_update().filter(pk__in=erasures).order_by("pk").values_list("pk")
    )
    queued.delete()
    left = FileDeletion.objects.filter(erasure__in=erasures).values_list("erasure_id", flat=True)
    complete = erasures.difference(left)
    AwaitingFiles.objects.filter(erasure__in=complete).delete()
    for erasure_id in complete:
        FilesDeleted.objects.update_or_create(
            erasure_id=erasure_id, defaults={"at": timezone.now()}
        )


def _may_finish() -> Q:
    """Return the condition for uploads that may still finish.

    An upload that is refused deletes its own file.
    """
    return Q(queued_at__gt=timezone.now() - UPLOAD_MAY_TAKE) & (
        Q(erasure=None) | Q(subject__isnull=False)
    )


def _delete(queued: QuerySet[FileDeletion]) -> int:
    """Try to delete the files in the order of the queue; return the number of files that are left.

    The number of statements depends on the number of batches only. A process that dies within a
    batch leaves deleted files in the queue; the next run removes them.
    """
    left = last = 0
    pending = queued.exclude(_may_finish()).order_by("pk")
    while batch := list(pending.filter(pk__gt=last)[:BATCH]):
        gone = [deletion.pk for deletion in batch if delete_file(deletion.name)]
        settle(FileDeletion.objects.filter(pk__in=gone))
        failed = {deletion.pk for deletion in batch}.difference(gone)
        FileDeletion.objects.filter(pk__in=failed).update(attempts=F("attempts") + 1)
        left += len(failed)
        last = batch[-1].pk
    return left


def _delete_stored(name: str) -> bool:
    """Delete a stored file and return whether it is certainly deleted."""
    if not default_storage.exists(name):
        return not storage_problem()
    default_storage.delete(name)
    return not default_storage.exists(name)
