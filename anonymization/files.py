"""Deletion of stored files after an erasure's commit, retried until the storage says that the file is gone.

Deleting what is not there is silent, so a process that sees another storage (a wrong MEDIA_ROOT, a share that is not
mounted) would take every file for gone. Hence a file counts as gone when it was seen before, or when it is missing in
a storage that proves, by its marker, to be the one that the files were written to.
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

from anonymization.models import Erasure, FileDeletion, FilesDeleted
from anonymization.storage import storage_problem
from lib.arrays import in_keys

UPLOAD_MAY_TAKE = timedelta(hours=1)
TEMPORARY_FOR = timedelta(days=1)
#: Files after whose deletion the database is told.
BATCH = 500

logger = logging.getLogger(__name__)


def delete_files_of(erasures: Collection[uuid.UUID]) -> int:
    """Delete the files that erasures queued; return how many are left."""
    return _delete(FileDeletion.objects.filter(erasure__in=in_keys(erasures, "uuid")))


def delete_pending_files() -> int:
    """Try every queued file again; return how many are left, with the uploads in erased sessions that may still end."""
    left = _delete(FileDeletion.objects.all())
    return left + FileDeletion.objects.filter(_may_finish()).exclude(erasure=None).count()


def unfinished_uploads() -> int:
    """Return how many uploads have begun and not ended; what a process that died left is deleted after an hour."""
    return FileDeletion.objects.filter(erasure=None).count()


def queue_upload(name: str, *, subject: uuid.UUID) -> FileDeletion:
    """Queue a file that is about to be written; whoever stores its row takes the queued one back with it.

    ``subject`` is the ``uid`` of the row that the file belongs to: the erasure of that row takes the upload over.
    Call ``storage.require_storage`` first.
    """
    return FileDeletion.objects.create(name=name, subject=subject)


def withdraw_upload(name: str) -> None:
    """Delete the file of an upload that failed, also when an erasure has taken its deletion over.

    If the storage fails, the file stays queued.
    """
    if delete_file(name):
        settle(FileDeletion.objects.filter(name=name))


def delete_file(name: str) -> bool:
    """Delete a stored file and say whether it is gone for sure. Never raises: a failing storage is logged."""
    try:
        return _delete_stored(name)
    except Exception:  # a storage fails in its own ways
        logger.exception("the stored file %s could not be deleted", name)
        return False


def delete_stale_uploads() -> int:
    """Delete what uploads of processes that died left in FILE_UPLOAD_TEMP_DIR; return how many files that were."""
    deleted, before = 0, time.time() - TEMPORARY_FOR.total_seconds()
    # The names are those of django.core.files.uploadedfile.TemporaryUploadedFile.
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("tmp*.upload*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
    return deleted


@transaction.atomic
def settle(queued: QuerySet[FileDeletion]) -> None:
    """Forget queued files that are gone, and note when the last one of an erasure was."""
    # Locked: an erasure may be about to take an upload over, and whoever settles another file of the same erasure has
    # to see this one gone.
    rows = queued.select_for_update().order_by("pk").values_list("erasure_id", flat=True)
    erasures = {erasure for erasure in rows if erasure}
    list(Erasure.objects.select_for_update().filter(pk__in=erasures).order_by("pk").values_list("pk"))
    queued.delete()
    left = FileDeletion.objects.filter(erasure__in=erasures).values_list("erasure_id", flat=True)
    for erasure_id in erasures.difference(left):
        FilesDeleted.objects.update_or_create(erasure_id=erasure_id, defaults={"at": timezone.now()})


def _may_finish() -> Q:
    """Return the condition for uploads that may still finish. They delete their own file when they are refused."""
    return Q(queued_at__gt=timezone.now() - UPLOAD_MAY_TAKE) & (Q(erasure=None) | Q(subject__isnull=False))


def _delete(queued: QuerySet[FileDeletion]) -> int:
    """Try the files in the order of the queue and return how many are left.

    The number of statements grows by batches only. Who dies within one leaves files in the queue that are gone, which
    the next one finds out.
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
    """Delete a stored file and say whether it is gone for sure."""
    if not default_storage.exists(name):
        return not storage_problem()
    default_storage.delete(name)
    return not default_storage.exists(name)
