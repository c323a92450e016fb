"""Delete stored files that no database row references.

Such a file is left when a process died, a row was deleted by hand, or a picture was replaced. The
sweep looks in the folders that the file fields of all models write to. A file is deleted only if
all of these are true:

- it was written more than a day ago
- no row references it
- it is not in the queue of file deletions
- the marker proves that the storage is the right one, and that it belongs to this installation only

Names are processed in batches, regardless of the number of files in the storage.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from django.core.files.storage import default_storage
from django.db.models import FileField, Model
from django.utils import timezone

from anonymization.models import FileDeletion, StorageMarker
from anonymization.policy import registry
from anonymization.restoration import Standing, standing
from anonymization.storage import foreign_marker, storage_problem

#: Much longer than an upload may take, so that a file that is being stored is never deleted.
YOUNG_FOR = timedelta(days=1)
BATCH = 500

logger = logging.getLogger(__name__)


class SweepRefused(Exception):
    """It cannot be proved that files without a row are unused.

    The message is for an administrator.
    """


@dataclass(frozen=True)
class Swept:
    """The number of files that were checked, deleted, and could not be deleted."""

    seen: int
    deleted: int
    failed: int


def sweep() -> Iterator[Swept]:
    """Delete the stored files that no row references, batch by batch.

    It can be repeated, and two sweeps may overlap. Nothing is checked before the first upload,
    which marks the storage.

    Raises:
        SweepRefused: the storage is not proved to be the right one, or the database is not even
            with the external copy. This may also happen between two batches, for example when a
            share is unmounted.
    """
    if not StorageMarker.objects.exists():
        return
    _require_proof()
    names = (name for folder in sorted(folders()) for name in _stored_in(folder))
    while batch := list(islice(names, BATCH)):
        left_over = [name for name in _without_row(batch) if _is_old(name)]
        if left_over:
            # Check again immediately before deleting: the storage may have changed since the sweep
            # began.
            _require_proof()
        yield Swept(len(batch), *_delete(left_over))


def file_fields() -> list[tuple[type[Model], FileField]]:
    """Return the file fields of all models. The registry has every installed model."""
    return [(p.model, p.fields[name]) for p in registry for name in p.file_fields]  # type: ignore[misc]


def folders() -> set[str]:
    """Return the top-level folders of the storage that file fields write to.

    Files in other folders do not belong to this product.
    """
    return {
        field.generate_filename(model(), "name").partition("/")[0] for model, field in file_fields()
    }


def _require_proof() -> None:
    problem = storage_problem()
    if not problem:
        problem = foreign_marker(ours=StorageMarker.objects.get().name)
    if not problem and standing() is not Standing.EVEN:
        problem = (
            "The database is not even with the external copy of the ledger: see docs/ledger.md."
        )
    if problem:
        raise SweepRefused(problem)


def _stored_in(folder: str) -> Iterator[str]:
    """Yield the names of all files in a folder and its subfolders.

    At most the names of one folder are in memory.
    """
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            inner, files = default_storage.listdir(folder)
        except FileNotFoundError:  # No file has been stored there yet.
            continue
        waiting += [f"{folder}/{name}" for name in inner]
        # A database does not accept a name that is not text. This product creates no such names.
        yield from (f"{folder}/{name}" for name in files if name.isprintable())


def _without_row(names: list[str]) -> set[str]:
    """Return the names that no row references.

    The queue is read first. An upload removes its row from the queue in the transaction that stores
    the row of the file. An upload that ends in between is therefore found in one of the two.
    """
    left = set(names)
    named: list[tuple[type[Model], str]] = [(FileDeletion, "name")]
    named += [(model, field.name) for model, field in file_fields()]
    for model, name in named:
        rows = model._base_manager.filter(**{f"{name}__in": left})
        left.difference_update(rows.values_list(name, flat=True))
    return left


def _is_old(name: str) -> bool:
    try:
        return default_storage.get_modified_time(name) < timezone.now() - YOUNG_FOR
    except FileNotFoundError:  # The file was deleted in the meantime.
        return False


def _delete(names: list[str]) -> tuple[int, int]:
    """Delete stored files; return the numbers of deleted and of remaining files.

    Names are not logged, because they may contain anything.
    """
    deleted = 0
    for name in names:
        try:
            default_storage.delete(name)
            deleted += not default_storage.exists(name)
        # Each storage backend has its own exceptions. The next sweep tries again.
        except Exception as failure:
            logger.error(
                "a stored file without a row could not be deleted: %s", type(failure).__name__
            )
    return deleted, len(names) - deleted
