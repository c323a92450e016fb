"""Appending records to the erasure ledger, and announcing them in its external copy.

The head of the ledger is locked last and briefly: from ``chain`` to the commit. An intent is written to the external
copy before the commit, its seal after it.
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
    """The erasure was refused, and nothing was changed. The message is fit for the person who asked."""


class LedgerUnavailable(ErasureRefused):
    """The external copy of the ledger can't be written, so that the erasure could not be proven after a restore."""


class DatabaseBehind(LedgerUnavailable):
    """The external copy does not end where the database does: a backup was restored, or the copy is another's."""


@dataclass(frozen=True)
class Requester:
    """Who asks for an erasure and by which door: a staff member, an API client, or (neither) a command or the
    system itself."""

    source: Source
    user: User | None = None
    #: Of the model that the setting OAUTH2_PROVIDER_APPLICATION_MODEL names.
    client: Any = None


#: The entries that the innermost ``erasing`` has announced outside; None outside of one.
_announced: ContextVar[list[Entry] | None] = ContextVar("announced", default=None)


@contextmanager
def erasing() -> Iterator[None]:
    """The transaction around one or more erasures; a caller with something else to commit along opens it first.

    Nothing else may be around it: when it is rolled back, the intents that were written outside are made void.
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
                # Still under the lock of the ledger's head: the next erasure finds no open intent.
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
    """Make intents void whose records the database is known to lack.

    The COMMIT failed, or something after it: only the database can tell, and only by the connection that it was sent
    by. After a lost one it may still be carried out.
    """
    try:
        there = Erasure.objects.filter(hash__in=[entry.hash for entry in announced])
        kept = set(there.values_list("hash", flat=True))
    except DatabaseError:
        logger.exception("nobody knows whether an erasure was committed; its intent stays open")
    else:
        _make_void([entry for entry in announced if entry.hash not in kept])


def note(kind: Note, subject: str, *, requester: Requester) -> Erasure:
    """Append a record that erases nobody, about the ledger itself."""
    with erasing():
        record = new_record(kind, subject, requester)
        chain([record])
        record.save(force_insert=True)
        announce([record], files=False)
        return record


def new_record(kind: str, subject: str, requester: Requester) -> Erasure:
    """Return a record of now that is neither chained nor stored yet."""
    (record,) = new_records(kind, [subject], requester)
    return record


def new_records(kind: str, subjects: Iterable[str], requester: Requester) -> list[Erasure]:
    """Return a record for each subject, all of the same moment, that are neither chained nor stored yet."""
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
    own = ({"id": uuid.uuid4(), "subject": subject, "counts": {}, "shells": {}} for subject in subjects)
    by_position: Any = Erasure  # by name it takes Django twice as long
    return [by_position(*(shared | values).values()) for values in own]


def chain(records: Sequence[Erasure]) -> None:
    """Chain the records to the newest one and each other; the ledger's head is locked from here to the commit."""
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
    """Write the intents outside before the commit; after it come the seal and the deletion of ``files`` there may be.

    Raises:
        LedgerUnavailable: the external copy can't be written; nothing was changed.
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
            _("The external copy of the erasure ledger does not match the database. Nothing was erased.")
        ) from None
    except OSError:
        logger.exception("the external copy of the ledger can't be written")
        raise LedgerUnavailable(
            _("The external copy of the erasure ledger can't be written. Nothing was erased.")
        ) from None
    # No partial: Django logs a failure by the function's name, which a partial lacks.
    transaction.on_commit(lambda: seal_after_commit(records, files=files), robust=True)


def seal_after_commit(records: Sequence[Erasure], *, seal: bool = True, files: bool = True) -> None:
    """Seal the records outside, then delete the files; a seal that fails leaves the intent, which counts as much."""
    try:
        if seal:
            external_copy.write_seal(records[-1].entry)
    except OSError:
        logger.exception(
            "erasures %d to %d were not sealed in the external copy", records[0].number, records[-1].number
        )
    if files:
        delete_files_of([record.pk for record in records])


def lock_head() -> None:
    """Let nobody else append to the ledger until the commit; on SQLite the transaction itself excludes others."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('anonymization.ledger'))")


def head() -> Head:
    """Return the newest record of the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "number", "hash" FROM "{Erasure._meta.db_table}" ORDER BY "number" DESC LIMIT 1'
        )
        last = cursor.fetchone()
    return Head(*last) if last else Head()
