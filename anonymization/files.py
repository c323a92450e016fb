"""Deletion of stored files after an erasure's commit, retried until the storage says that the file is gone."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.core.files.storage import default_storage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from anonymization.models import FileDeletion

UPLOAD_MAY_TAKE = timedelta(hours=1)

logger = logging.getLogger(__name__)


def delete_files_of(erasure_id: uuid.UUID) -> int:
    """Delete the files that one erasure queued; return how many are left."""
    return _delete(FileDeletion.objects.filter(erasure_id=erasure_id))


def delete_pending_files() -> int:
    """Try every queued file again; return how many are left. Uploads have an hour to finish."""
    unfinished = Q(erasure=None, queued_at__gt=timezone.now() - UPLOAD_MAY_TAKE)
    return _delete(FileDeletion.objects.exclude(unfinished))


def queue_upload(name: str) -> FileDeletion:
    """Queue a file that is about to be written; whoever stores its row takes the queued one back with it."""
    return FileDeletion.objects.create(name=name)


def _delete(queued: QuerySet[FileDeletion]) -> int:
    left = 0
    for deletion in queued.order_by("pk").iterator():
        try:
            default_storage.delete(deletion.name)
            gone = not default_storage.exists(deletion.name)
        except Exception:  # a storage fails in its own ways; the queue keeps the file until a retry works
            logger.exception("file deletion %s failed", deletion.pk)
            gone = False
        if gone:
            deletion.delete()
        else:
            left += 1
            FileDeletion.objects.filter(pk=deletion.pk).update(attempts=F("attempts") + 1)
    return left
