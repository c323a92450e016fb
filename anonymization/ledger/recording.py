"""Append records to the erasure ledger and announce them in its external copy.

The ledger is locked last and briefly: from ``chain`` to the commit. An intent is written to the
external copy before the commit, and its seal after the commit.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import delete_files_of
from anonymization.ledger import external_copy
from anonymization.ledger.chain import Entry, Head
from anonymization.models import ASKED_BY_SOURCE, Erasure, Note, Source

logger = logging.getLogger(__name__)


class ErasureRefused(Exception):
    """The erasure was refused and nothing was changed.

    The message can be shown to the requester.
    """


class LedgerUnavailable(ErasureRefused):
    """The external copy of the ledger cannot be written.

    The erasure could then not be proven after a restore.
    """


class DatabaseBehind(LedgerUnavailable):
    """The external copy does not end with the same entry as the database.

    Either a backup was restored, or the external copy belongs to another ledger.
    """


@dataclass(frozen=True)
class Requester:
    """Who requested an erasure, and through which source.

    The requester is a staff member or an API client. If both are None, it is a command or the
    system itself.
    """

    source: Source
    user: User | None = None
    #: An instance of the model in the setting OAUTH2_PROVIDER_APPLICATION_MODEL.
    client: Any = None


#: The entries that the innermost ``erasing`` block has written to the external copy. None outside
#: such a block.
_announced: ContextVar[list[Entry] | None] = ContextVar("announced", default=None)


@contextmanager
def erasing() -> Iterator[None]:
    """Open the transaction for one or more erasures.

    To commit other changes together with an erasure, open this block first and make the changes in
    it. It must not be inside another transaction. On a rollback it voids the intents in the
    external copy, and it would not notice a later rollback of an outer transaction. Blocks may be
    nested.

    Raises:
        RuntimeError: the outermost block is inside another transaction.
    """
    around = _announced.get()
    announced: list[Entry] = []
    token = _announced.set(announced)
    used = None
    try:
        with transaction.atomic(durable=around is None):
            used = connection.connection
            try:
                yield
            except BaseException:
                # The ledger is still locked here. The next erasure finds no open intent.
                _make_void(announced)
                announced.clear()
                raise
    except BaseException:
        if announced and connection.connection is used:
            _make_void_what_is_gone(announced)
        raise
    finally:
        _announced.reset(token)
    if around is not None:
        around.extend(announced)


def _make_void(announced: list[Entry]) -> None:
    try:
        external_copy.write_voids(announced)
    except OSError:
        logger.exception("intents of a failed erasure stay open in the external copy")


def _make_void_what_is_gone(announced: list[Entry]) -> None:
    """Void the intents whose records are certainly not in the database.

    Either the COMMIT failed or something after it. Only the database can tell which records were
    committed, and only on the connection that sent the COMMIT: on a lost connection the COMMIT may
    still be executed.
    """
    try:
        there = Erasure.objects.filter(hash__in=[entry.hash for entry in announced])
        kept = set(there.values_list("hash", flat=True))
    except DatabaseError:
        logger.exception("it is unknown whether an erasure was committed; its intent stays open")
    else:
        _make_void([entry for entry in announced if entry.hash not in kept])


def note(kind: Note, subject: str, *, requester: Requester) -> Erasure:
    """Append a record about the ledger itself. It is not an erasure.

    Raises:
        LedgerUnavailable: the external copy cannot be written; nothing was changed.
    """
    with erasing():
        record = new_record(kind, subject, requester)
        chain([record])
        record.save(force_insert=True)
        announce([record], files=False)
        return record


def new_record(kind: str, subject: str, requester: Requester) -> Erasure:
    """Return a record with the current time that is neither chained nor saved."""
    (record,) = new_records(kind, [subject], requester)
    return record


def new_records(kind: str, subjects: Iterable[str], requester: Requester) -> list[Erasure]:
    """Return a record for each subject, all with the same time, neither chained nor saved."""
    now = timezone.now()
    first = Erasure(
        kind=kind,
        day=timezone.localdate(now),
        requester=ASKED_BY_SOURCE[requester.source],
        created_at=now,
        door=requester.source,
        requested_by_id=requester.user.pk if requester.user else None,
        client_id=requester.client.pk if requester.client else None,
    )
    shared = {f.attname: getattr(first, f.attname) for f in Erasure._meta.concrete_fields}
    own = (
        {"id": uuid.uuid4(), "subject": subject, "counts": {}, "shells": {}} for subject in subjects
    )
    # Django takes twice as long to create a model from keyword arguments.
    by_position: Any = Erasure
    return [by_position(*(shared | values).values()) for values in own]


def chain(records: Sequence[Erasure]) -> None:
    """Append the records to the hash chain in their order.

    The ledger is locked from this call until the commit.
    """
    lock_head()
    last = head()
    for record in records:
        record.number, record.previous = last.sequence + 1, last.hash
        last = record.entry.head
        record.hash = last.hash


def announce(
    records: Sequence[Erasure],
    *,
    files: bool = True,
    write: Callable[[list[Entry]], None] = lambda entries: external_copy.write_intents(entries),
) -> None:
    """Write the intents to the external copy, and register what has to be done after the commit.

    The seal is written after the commit. Then stored files are deleted, unless ``files`` is false
    because the erasures have none.

    Raises:
        LedgerUnavailable: the external copy cannot be written; nothing was changed.
        DatabaseBehind: the external copy does not end with the same entry as the database.
        RuntimeError: the call is not inside an ``erasing`` block.
    """
    announced = _announced.get()
    if announced is None:
        raise RuntimeError("a record is announced within erasing() only")
    entries = [record.entry for record in records]
    announced.extend(entries)
    try:
        write(entries)
    except external_copy.Diverged:
        del announced[-len(entries) :]  # nothing was written
        raise DatabaseBehind(
            _(
                "The external copy of the erasure ledger does not match the database. Nothing was erased."
            )
        ) from None
    except OSError:
        logger.exception("the external copy of the ledger can't be written")
        raise LedgerUnavailable(
            _("The external copy of the erasure ledger can't be written. Nothing was erased.")
        ) from None
    # Not functools.partial: Django logs the function's __qualname__ on failure, and a partial has
    # none.
    transaction.on_commit(lambda: seal_after_commit(records, files=files), robust=True)


def seal_after_commit(records: Sequence[Erasure], *, seal: bool = True, files: bool = True) -> None:
    """Write the seal of the records to the external copy, then delete the files.

    If the seal cannot be written, the error is logged. The open intent counts as much as a seal.
    """
    try:
        if seal:
            external_copy.write_seal(records[-1].entry)
    except OSError:
        logger.exception(
            "erasures %d to %d were not sealed in the external copy",
            records[0].number,
            records[-1].number,
        )
    if files:
        delete_files_of([record.pk for record in records])


def lock_head() -> None:
    """Lock the ledger, so that no other process can append to it until the commit.

    On SQLite the transaction itself already excludes other writers.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('anonymization.ledger'))")


def head() -> Head:
    """Return the latest ledger hash with its sequence."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "number", "hash" FROM "{Erasure._meta.db_table}" ORDER BY "number" DESC LIMIT 1'
        )
        last = cursor.fetchone()
    return Head(*last) if last else Head()
