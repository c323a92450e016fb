"""Append records to the erasure ledger and announce them in its external copy.

The ledger is locked last and briefly: from ``chain`` to the commit. An intent is written to the
external copy before the commit, and its seal after the commit.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import delete_files_of
from anonymization.ledger import external_copy
from anonymization.ledger.chain import BrokenChain, Entry, Head, facts_hash
from anonymization.models import ASKED_BY_SOURCE, Erasure, Ground, LedgerState, Note, Source

logger = logging.getLogger(__name__)

#: Prefix that makes the hash in a note differ from any other hash of the same text.
_NOTE = b"mluvii-gdpr/ledger-note/1\0"


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

    A backup was restored, or the external copy is damaged or belongs to another ledger.
    """


class Interrupted(LedgerUnavailable):
    """An earlier erasure was interrupted and has to be completed first."""


class Unsettled(OperationalError):
    """An erasure failed, and its intent stays open in the external copy.

    Nobody can tell whether the database has committed it. If it has not, the erasure is carried out
    later, see ``anonymization.redo``.
    """


@dataclass(frozen=True)
class Requester:
    """Who requested an erasure, through which source, and on which ground.

    The requester is a staff member or an API client. If both are None, it is a command or the
    system itself.
    """

    source: Source
    user: User | None = None
    #: An instance of the model in the setting OAUTH2_PROVIDER_APPLICATION_MODEL.
    client: Any = None
    ground: Ground = Ground.REQUEST

    @classmethod
    def retention(cls) -> Self:
        return cls(Source.RETENTION, ground=Ground.RETENTION)

    @classmethod
    def withdrawal(cls) -> Self:
        return cls(Source.WITHDRAWAL, ground=Ground.WITHDRAWAL)


#: The entries that the innermost ``erasing`` block has written to the external copy. None outside
#: such a block.
_announced: ContextVar[list[Entry] | None] = ContextVar("announced", default=None)


@contextmanager
def erasing(*, redo: bool = True) -> Iterator[None]:
    """Open the transaction for one or more erasures.

    To commit other changes together with an erasure, open this block first and make the changes in
    it. It must not be inside another transaction. On a rollback it voids the intents in the
    external copy, and it would not notice a later rollback of an outer transaction. Blocks may be
    nested. The outermost block completes interrupted erasures first, unless ``redo`` is false.

    Raises:
        RuntimeError: the outermost block is inside another transaction.
        Unsettled: the transaction failed, and it is unknown whether it was committed.
    """
    around = _announced.get()
    if around is None and redo:
        _complete_interrupted()
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
                announced[:] = _void(announced)
                raise
    except BaseException as error:
        if announced and connection.connection is used:
            announced[:] = _void_uncommitted(announced)
        if announced and isinstance(error, Exception):
            raise Unsettled(_unsettled()) from error
        raise
    finally:
        _announced.reset(token)
    if around is not None:
        around.extend(announced)


def _unsettled() -> str:
    return _("The erasure failed. It may still be completed automatically.")


def _complete_interrupted() -> None:
    """Carry out interrupted erasures.

    A failure is logged only: as long as one of their intents is open, nothing else is erased.
    """
    from anonymization import redo  # It needs the engine, which needs this module.

    try:
        redo.carry_out()
    except ErasureRefused:
        logger.exception("an interrupted erasure was not completed")


def _void(announced: list[Entry]) -> list[Entry]:
    """Void the intents, and return those that stay open because the copy cannot be written."""
    try:
        external_copy.write_voids(announced)
    except OSError:
        logger.exception("intents of a failed erasure stay open in the external copy")
        return _still_open(announced)
    return []


def _still_open(announced: list[Entry]) -> list[Entry]:
    """Return the intents that were written. A full disk may have cut their line short."""
    path = external_copy.file_of()
    try:
        written = external_copy.end_of(path).still_open if path else []
    except (OSError, external_copy.Unreadable, BrokenChain):
        return []
    return [entry for entry in announced if entry in written]


def _void_uncommitted(announced: list[Entry]) -> list[Entry]:
    """Void the intents whose records are certainly not in the database; return the open ones.

    Either the COMMIT failed or something after it. Only the database can tell which records were
    committed, and only on the connection that sent the COMMIT: on a lost connection the COMMIT may
    still be executed. An intent of a committed record is not open: its erasure is complete.
    """
    try:
        there = Erasure.objects.filter(hash__in=[entry.hash for entry in announced])
        kept = set(there.values_list("hash", flat=True))
    except DatabaseError:
        logger.exception("it is unknown whether an erasure was committed; its intent stays open")
        return announced
    return _void([entry for entry in announced if entry.hash not in kept])


def note(
    kind: Note,
    *,
    requester: Requester,
    subjects: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
) -> Erasure:
    """Append a record about the ledger itself or its evidence. It is not an erasure.

    ``subjects`` are hashes of what the note is about, for example from ``note_digest``.

    Raises:
        LedgerUnavailable: the external copy cannot be written; nothing was changed.
    """
    with erasing():
        record = new_note(kind, requester=requester, subjects=subjects, counts=counts)
        chain([record])
        record.save(force_insert=True)
        announce([record], files=False)
        return record


def new_note(
    kind: Note,
    *,
    requester: Requester,
    subjects: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
) -> Erasure:
    """Return the record of a note that is neither chained nor saved."""
    (record,) = new_records(kind, 1, requester)
    record.subjects, record.counts, record.ground = sorted(subjects), dict(counts or {}), ""
    return record


#: Note kind → a function that describes the counts of such a record for readers.
_words: dict[Note, Callable[[Mapping[str, int]], list[str]]] = {}


def register_words(kind: Note, words: Callable[[Mapping[str, int]], list[str]]) -> None:
    """Register how the counts of notes of this kind are described. It must not query."""
    _words[kind] = words


def words_of(record: Erasure) -> list[str]:
    """Return the counts of a note in words; empty if it has none, or after they were forgotten."""
    words = _words.get(Note(record.kind))
    return words(record.counts) if words and record.counts else []


def note_digest(text: str) -> str:
    """Return the hash that a note has as a subject; ``text`` is ASCII."""
    return hashlib.sha256(_NOTE + text.encode("ascii")).hexdigest()


def new_record(kind: str, requester: Requester) -> Erasure:
    """Return a record with the current time that is neither chained nor saved."""
    (record,) = new_records(kind, 1, requester)
    return record


def new_records(kind: str, number: int, requester: Requester) -> list[Erasure]:
    """Return records with the same current time, neither chained nor saved."""
    now = timezone.now()
    first = Erasure(
        kind=kind,
        day=timezone.localdate(now),
        requester=ASKED_BY_SOURCE[requester.source],
        created_at=now,
        door=requester.source,
        ground=requester.ground,
        requested_by_id=requester.user.pk if requester.user else None,
        client_id=requester.client.pk if requester.client else None,
    )
    shared = {f.attname: getattr(first, f.attname) for f in Erasure._meta.concrete_fields}
    # Django takes twice as long to create a model from keyword arguments.
    by_position: Any = Erasure
    return [by_position(*(shared | _own()).values()) for _number in range(number)]


def _own() -> dict[str, Any]:
    """Return new values of the fields that records of the same time do not share."""
    return {
        "id": uuid.uuid4(),
        "subjects": [],
        "counts": {},
        "evidence": [],
        "salt": secrets.token_hex(32),
    }


def chain(records: Sequence[Erasure]) -> None:
    """Append the records to the hash chain in their order. Their facts must be complete.

    The ledger is locked from this call until the commit.
    """
    for record in records:
        record.facts = facts_hash(record.clear_facts, record.salt)
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
    void_on_failure: bool = True,
) -> None:
    """Write the intents to the external copy, and register what has to be done after the commit.

    The seal is written after the commit. Then stored files are deleted, unless ``files`` is false
    because the erasures have none.

    Raises:
        LedgerUnavailable: the external copy cannot be written; nothing was changed.
        DatabaseBehind: the external copy does not end with the same entry as the database.
        Interrupted: an earlier erasure has to be completed first.
        RuntimeError: the call is not inside an ``erasing`` block.
    """
    announced = _announced.get()
    if announced is None:
        raise RuntimeError("a record is announced within erasing() only")
    _require_setting()
    entries = [record.entry for record in records]
    if void_on_failure:
        announced.extend(entries)
    try:
        with _refusals():
            write(entries)
    except (DatabaseBehind, Interrupted):
        del announced[len(announced) - len(entries) * void_on_failure :]  # nothing was written
        raise
    # Not functools.partial: Django logs the function's __qualname__ on failure, and a partial has
    # none.
    transaction.on_commit(lambda: seal_after_commit(records, files=files), robust=True)


def lacks_setting() -> bool:
    """Return whether an external copy exists and this process is not configured to use it."""
    return external_copy.file_of() is None and LedgerState.copy_exists()


def _require_setting() -> None:
    """Refuse if an external copy exists and this process is not configured to write to it.

    Raises:
        LedgerUnavailable: its records would be missing in the copy.
    """
    if lacks_setting():
        raise LedgerUnavailable(
            _(
                "An external copy of the erasure ledger exists, but ERASURE_LEDGER_DIR is not set. "
                "Nothing was erased."
            )
        )


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the failures of the external copy into refusals with a message."""
    try:
        yield
    except external_copy.IntentsOpen:
        raise Interrupted(
            _("An interrupted erasure must be completed first. Nothing was erased. Try again.")
        ) from None
    except (external_copy.Diverged, external_copy.Unreadable, BrokenChain):
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
