"""Anchor the evidence of consent in the erasure ledger.

An anchor is the hash of a range of consent events, stored as a note of the ledger. Later additions,
removals and changes are therefore found, and the gate does no work for it. The ranges follow each
other without a gap. A period of ERASURE_TIME_PRECISION has one anchor when it is over: finer ranges
would tell to which days its anonymized sessions belong.

Only the first anchor covers events without an HMAC, which earlier releases stored. Only genuine
events are anchored.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from anonymization.ledger import recording
from anonymization.ledger.chain import BrokenChain, canonical
from anonymization.ledger.recording import Requester
from anonymization.ledger.verification import REPEATED, NotGenuine
from anonymization.models import Erasure, Note, Source
from lib.days import period_of
from sessions_app.evidence import signatures
from sessions_app.evidence.events import LOWEST, Hashed, Texts, check_and_hash
from sessions_app.models import ConsentEvent, EvidenceAnchor

#: The time to wait for transactions that are storing evidence.
WAIT = timedelta(seconds=30)
_ANCHOR = b"mluvii-gdpr/evidence-anchor/1\0"


class NotAnchored(Exception):
    """Nothing was anchored; the message says why. A later run may succeed."""


class Range(NamedTuple):
    """Numbers of events, both ends included, and the period that they belong to."""

    first: int
    last: int
    period: date


class Anchored(NamedTuple):
    """What a run did: the number of events that were anchored, and of anchors that were merged."""

    events: int
    merged: int


def anchor() -> Anchored:
    """Anchor the events since the last anchor, and merge the anchors of finished periods.

    The first run on an installation always stores an anchor, also if there is no event: from then
    on each event must have an HMAC.

    Raises:
        NotGenuine: an event is not genuine, or an anchored range was changed.
        BrokenChain: an anchor differs from the ledger.
        NotAnchored: a transaction is storing evidence for too long, or another run was faster.
        ErasureRefused: the ledger cannot be written.
    """
    newest = _settled_id()
    known = stored_anchors()
    texts = Texts()
    new = [_new_anchor(found, texts, first=not known) for found in _new_ranges(known, to=newest)]
    merged = list(_merged([*known, *new], texts))
    # The pieces of a merged anchor may be new themselves. They are then not stored.
    replaced = {piece.digest for _whole, pieces in merged for piece in pieces}
    made = [*new, *(whole for whole, _pieces in merged)]
    added = [one for one in made if one.digest not in replaced]
    removed = [old for old in known if old.digest in replaced]
    if added:
        _store(added, removed, known=known)
    return Anchored(sum(one.count for one in new), len(removed))


def record_lost_key() -> int:
    """Anchor again, without HMACs, what no key verifies any more; return the number of its events.

    For an installation that has lost a key for good. The hash in the ledger must still match each
    anchored event. Events that were not anchored are taken as they are stored now. A note in the
    ledger says on which day this was done; the flag is part of the hash of the new anchors.

    Raises:
        NotGenuine: events were added, removed or changed after they were anchored.
        BrokenChain: an anchor differs from the ledger.
        NotAnchored: a transaction is storing evidence for too long, or another run was faster.
        ErasureRefused: the ledger cannot be written.
    """
    newest, known, texts = _settled_id(), stored_anchors(check_hmac=False), Texts()
    lost = [old for old in known if not _is_verified(old, texts)]
    new = [
        _new_anchor(Range(old.first_id, old.last_id, old.period), texts, first=True, key_lost=True)
        for old in lost
    ]
    for found in _new_ranges(known, to=newest):
        after = LOWEST if found.first == 1 else found.first - 1
        try:
            check_and_hash(texts, after=after, to=found.last, unsigned_allowed=not known)
        except NotGenuine:
            new += [_new_anchor(found, texts, first=not known, key_lost=True)]
    if new:
        _store(new, lost, known=known, kind=Note.EVIDENCE_KEY_LOST)
    return sum(one.count for one in new)


def _is_verified(anchor: EvidenceAnchor, texts: Texts) -> bool:
    """Return whether the keys verify an anchor and its events.

    Raises:
        NotGenuine: the events are not those that were anchored.
    """
    _compare_with_events(anchor, texts, key_lost=True)
    try:
        check_anchored(anchor, texts)
    except NotGenuine:
        return False
    return signatures.is_anchor_signed(anchor.digest, anchor.hmac)


def stored_anchors(*, check_hmac: bool = True) -> list[EvidenceAnchor]:
    """Return the anchors in their order, after comparing them with the ledger and with each other.

    The events are not read.

    Raises:
        BrokenChain: an anchor was changed, removed or added.
        NotGenuine: the ranges do not follow each other, or an anchor was not made with a key.
    """
    # Under the lock, so that no run changes anchors between the two queries.
    with transaction.atomic():
        recording.lock_head()
        anchors = list(EvidenceAnchor.objects.order_by("first_id", "last_id"))
        expected, newest = _anchored_digests()
    digests = {anchor.digest for anchor in anchors}
    for digest, number in expected.items():
        if digest not in digests:
            raise BrokenChain(number, "evidence_anchored: the anchor was changed or removed")
    if digests - expected.keys():
        raise BrokenChain(newest + 1, "evidence_anchored: an anchor is not in the ledger")
    edge = 0
    for anchor in anchors:
        if anchor.first_id != edge + 1:
            raise NotGenuine(
                f"Events {edge + 1} to {anchor.first_id - 1}: their anchor is missing."
            )
        if check_hmac and not signatures.is_anchor_signed(anchor.digest, anchor.hmac):
            raise NotGenuine(
                f"{_named(anchor)}: the anchor was not made with one of the keys. "
                f"{signatures.MISSING_KEY}"
            )
        edge = anchor.last_id
    return anchors


def check_anchored(anchor: EvidenceAnchor, texts: Texts) -> Hashed:
    """Check the events of an anchor, and compare their hash with it.

    Raises:
        NotGenuine: an event is not genuine, or events were added, removed or changed.
    """
    return _compare_with_events(anchor, texts, key_lost=anchor.key_lost)


def _compare_with_events(anchor: EvidenceAnchor, texts: Texts, *, key_lost: bool) -> Hashed:
    after = LOWEST if anchor.first_id == 1 else anchor.first_id - 1
    hashed = check_and_hash(
        texts, after=after, to=anchor.last_id, unsigned_allowed=True, key_lost=key_lost
    )
    if hashed.number != anchor.count:
        change = "added" if hashed.number > anchor.count else "removed"
        number = abs(hashed.number - anchor.count)
        raise NotGenuine(f"{_named(anchor)}: {number} were {change} after they were anchored.")
    if _digest(anchor, hashed) != anchor.digest:
        raise NotGenuine(f"{_named(anchor)}: one was changed after they were anchored.")
    return hashed


def _named(anchor: EvidenceAnchor) -> str:
    if anchor.last_id == 0:
        return "First anchor, made before any consent event"
    return f"Consent events {anchor.first_id} to {anchor.last_id}"


def _anchored_digests() -> tuple[dict[str, int], int]:
    """Return the hashes of the anchors that must be stored, by the ledger, and the last number.

    The first note with a hash announces the anchor. A later note with the same hash replaces it.
    A note that was taken from the external copy has no anchor: a backup was restored, or the
    process died before the commit.
    """
    expected: dict[str, int] = {}
    kinds = (Note.EVIDENCE_ANCHORED, Note.EVIDENCE_KEY_LOST)
    notes = Erasure.objects.filter(kind__in=kinds).exclude(door__in=REPEATED)
    for number, subjects in notes.order_by("number").values_list("number", "subjects"):
        replaced = expected.keys() & set(subjects)
        expected = {digest: n for digest, n in expected.items() if digest not in replaced}
        expected |= dict.fromkeys(set(subjects) - replaced, number)
    return expected, recording.head().sequence


def _new_ranges(known: list[EvidenceAnchor], *, to: int) -> Iterator[Range]:
    """Yield the ranges of the events that are not anchored, split where a period ends.

    The day of an event is that of its storing, but events that are stored at the same time may get
    their numbers in another order. A range then has some events of the next period.
    """
    this, edge = period_of(timezone.localdate()), 0
    earliest = date.min
    if known:
        edge, earliest = known[-1].last_id, known[-1].period
    newest: dict[date, int] = {}
    events = ConsentEvent.objects.filter(pk__gt=edge, pk__lte=to).order_by().values_list("day")
    for day, last in events.annotate(last=Max("pk")):
        period = max(earliest, min(this, period_of(day)))
        newest[period] = max(last, newest.get(period, 0))
    for period in sorted(newest):
        if newest[period] > edge:
            yield Range(edge + 1, newest[period], period)
            edge = newest[period]
    if not known and not newest:
        yield Range(1, 0, this)


def _new_anchor(
    found: Range, texts: Texts, *, first: bool, key_lost: bool = False
) -> EvidenceAnchor:
    """Return the anchor of a range, which is not saved. Its events are checked."""
    after = LOWEST if found.first == 1 else found.first - 1
    hashed = check_and_hash(
        texts, after=after, to=found.last, unsigned_allowed=first, key_lost=key_lost
    )
    made = EvidenceAnchor(
        first_id=found.first,
        last_id=found.last,
        count=hashed.number,
        period=found.period,
        nonce=secrets.token_hex(32),
        key_lost=key_lost,
    )
    made.digest = _digest(made, hashed)
    made.hmac = signatures.sign_anchor(made.digest)
    return made


def _digest(anchor: EvidenceAnchor, hashed: Hashed) -> str:
    facts = {
        "first": anchor.first_id,
        "last": anchor.last_id,
        "count": anchor.count,
        "period": anchor.period.isoformat(),
        "nonce": anchor.nonce,
        "events": hashed.digest.hex(),
    }
    if anchor.key_lost:
        facts["key_lost"] = True
    return hashlib.sha256(_ANCHOR + canonical(facts)).hexdigest()


def _merged(
    anchors: list[EvidenceAnchor], texts: Texts
) -> Iterator[tuple[EvidenceAnchor, list[EvidenceAnchor]]]:
    """Yield one anchor for each finished period that has several, with those that it replaces.

    The events are compared with the replaced anchors first.
    """
    this = period_of(timezone.localdate())
    for period, found in groupby(anchors, key=lambda anchor: period_of(anchor.period)):
        pieces = list(found)
        if period < this and len(pieces) > 1:
            for piece in pieces:
                check_anchored(piece, texts)
            whole = Range(pieces[0].first_id, pieces[-1].last_id, period)
            key_lost = any(piece.key_lost for piece in pieces)
            yield _new_anchor(whole, texts, first=True, key_lost=key_lost), pieces


def _store(
    added: list[EvidenceAnchor],
    removed: list[EvidenceAnchor],
    *,
    known: list[EvidenceAnchor],
    kind: Note = Note.EVIDENCE_ANCHORED,
) -> None:
    """Store anchors with a note in the ledger, and delete those that they replace.

    Raises:
        NotAnchored: another run has changed the anchors in the meantime.
    """
    with recording.erasing():
        recording.lock_head()
        if set(EvidenceAnchor.objects.values_list("pk", flat=True)) != {one.pk for one in known}:
            raise NotAnchored("Another run has anchored the evidence in the meantime.")
        EvidenceAnchor.objects.bulk_create(added)
        EvidenceAnchor.objects.filter(pk__in=[anchor.pk for anchor in removed]).delete()
        recording.note(
            kind,
            requester=Requester(Source.COMMAND),
            subjects=[anchor.digest for anchor in [*added, *removed]],
        )


def _settled_id() -> int:
    """Return a number such that no event with a lower or the same number is still to be committed.

    PostgreSQL gives numbers before the commit, so that a higher number may be visible first. A
    transaction that inserts events locks the table before it gets a number. When all transactions
    that had the lock after the highest number was visible have ended, no lower number is missing.
    The lock is only observed: no visitor waits. SQLite has one writer at a time.

    Raises:
        NotAnchored: such a transaction stays open.
    """
    newest = ConsentEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if connection.vendor == "postgresql":
        deadline = time.monotonic() + WAIT.total_seconds()
        writers = _writers()
        while writers := writers & _writers():
            if time.monotonic() >= deadline:
                raise NotAnchored("A transaction that stores evidence stays open. Run it again.")
            time.sleep(0.05)
    return int(newest)


def _writers() -> set[str]:
    """Return the other transactions that have inserted events, or are about to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND relation = %s::text::regclass AND mode = 'RowExclusiveLock' "
            "AND pid IS DISTINCT FROM pg_backend_pid()",
            [ConsentEvent._meta.db_table],
        )
        return {transaction for (transaction,) in cursor.fetchall()}
