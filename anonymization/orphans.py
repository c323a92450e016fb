"""Stored files that no row names: a process that died left them, a row was deleted by hand, a picture was replaced.

Looked for in the folders that the file fields of all models write to, whichever models there are. A file goes only
when it was written more than a day ago, no row names it, none waits in the queue of deletions, and the storage proves
by its marker to be the right one, and this installation's alone. Batches of names, whatever the storage holds.
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

#: Far longer than an upload may take: what is being stored now is never judged.
YOUNG_FOR = timedelta(days=1)
BATCH = 500

logger = logging.getLogger(__name__)


class SweepRefused(Exception):
    """Nobody can tell whether the files that no row names are left over. The message is for an administrator."""


@dataclass(frozen=True)
class Swept:
    """How many files were looked at, deleted, and could not be deleted."""

    seen: int
    deleted: int
    failed: int


def sweep() -> Iterator[Swept]:
    """Delete the stored files that no row names, batch by batch. Safe to repeat and to run twice at once.

    Nothing is looked at before the first upload, which marks the storage.

    Raises:
        SweepRefused: the storage does not prove to be the right one, or the database is not the newest; also in the
            middle, when a share is unmounted.
    """
    if not StorageMarker.objects.exists():
        return
    _require_proof()
    names = (name for folder in sorted(folders()) for name in _stored_in(folder))
    while batch := list(islice(names, BATCH)):
        left_over = [name for name in _without_row(batch) if _is_old(name)]
        if left_over:
            # Just before: the storage may have changed since the sweep began.
            _require_proof()
        yield Swept(len(batch), *_delete(left_over))


def file_fields() -> list[tuple[type[Model], FileField]]:
    """Return the file fields of all models; every installed model is declared."""
    return [(p.model, p.fields[name]) for p in registry for name in p.file_fields]  # type: ignore[misc]


def folders() -> set[str]:
    """Return the folders at the top of the storage that file fields write to; nothing else is ours to judge."""
    return {field.generate_filename(model(), "name").partition("/")[0] for model, field in file_fields()}


def _require_proof() -> None:
    problem = storage_problem()
    if not problem:
        problem = foreign_marker(ours=StorageMarker.objects.get().name)
    if not problem and standing() is not Standing.EVEN:
        problem = "The database is not even with the external copy of the ledger: see docs/ledger.md."
    if problem:
        raise SweepRefused(problem)


def _stored_in(folder: str) -> Iterator[str]:
    """Yield the names of all files under a folder; at most one folder's names are held at a time."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            inner, files = default_storage.listdir(folder)
        except FileNotFoundError:  # nothing was stored there yet
            continue
        waiting += [f"{folder}/{name}" for name in inner]
        # No database takes a name that is no text; none of ours is such.
        yield from (f"{folder}/{name}" for name in files if name.isprintable())


def _without_row(names: list[str]) -> set[str]:
    """Return which of the names no row has.

    The queue is asked first: an upload's row leaves it in the transaction that stores the file's own row, so that an
    upload which ends in between is found in the one or in the other.
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
    except FileNotFoundError:  # gone meanwhile
        return False


def _delete(names: list[str]) -> tuple[int, int]:
    """Delete stored files; return how many are gone and how many are not. Names are not told: they may be anything."""
    deleted = 0
    for name in names:
        try:
            default_storage.delete(name)
            deleted += not default_storage.exists(name)
        except Exception as failure:  # a storage fails in its own ways; the next sweep tries again
            logger.error("a stored file without a row could not be deleted: %s", type(failure).__name__)
    return deleted, len(names) - deleted
