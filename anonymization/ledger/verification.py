"""Verify the chain in the database, its external copy, and a latest ledger hash saved earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.core.signing import BadSignature, Signer
from django.utils import timezone

from anonymization.ledger.chain import BrokenChain, Entry, Head, verify
from anonymization.ledger.external_copy import Contents
from anonymization.models import Erasure, Job, LedgerState, Note, Source
from anonymization.policy import registry

#: Cron runs ``verify_ledger`` daily. A machine may be off over a weekend.
VERIFIED_WITHIN = timedelta(days=3)
_signer = Signer(salt="anonymization.ledger")
#: The sources of records that were taken from the external copy.
REPEATED = (Source.REPLAY, Source.REDO)
#: Note kind → a function that computes the hashes of the stored facts that such notes contain.
_facts: dict[Note, Callable[[], Iterable[str]]] = {}
#: Job → a function of another app that verifies what the ledger is evidence for.
_checks: dict[Job, Callable[[], str]] = {}


class NotGenuine(Exception):
    """Stored evidence is not what the product stored; the message names the first such row."""


def register_facts(kind: Note, hashes: Callable[[], Iterable[str]]) -> None:
    """Register the rows whose hashes are chained as notes of this kind.

    ``hashes`` computes the hash of each row from its current values.
    """
    _facts[kind] = hashes


def register_check(job: Job, check: Callable[[], str]) -> None:
    """Register a verification that ``verify_ledger`` carries out after that of the ledger.

    ``job`` is the job whose result is stored. ``check`` returns a sentence with numbers, and raises
    NotGenuine or BrokenChain.
    """
    _checks[job] = check


def further_checks() -> Iterable[tuple[Job, Callable[[], str]]]:
    """Return the registered verifications of other apps."""
    return _checks.items()


def verify_facts() -> int:
    """Check that each registered row is the one that was chained, and return their number.

    A note that was taken from the external copy may lack its row: the restored backup is older than
    the row, or the process died before the commit.

    Raises:
        BrokenChain: a row was changed, removed or added; it names the record, or the next record
            for a row that is not in the ledger.
    """
    checked = 0
    for kind, hashes in _facts.items():
        found = set(hashes())
        checked += len(found)
        notes = Erasure.objects.filter(kind=kind).order_by("number")
        for number, door, subjects in notes.values_list("number", "door", "subjects"):
            if door not in REPEATED and not found.issuperset(subjects):
                raise BrokenChain(number, f"{kind}: the stored row was changed or removed")
            found.difference_update(subjects)
        if found:
            last = Erasure.objects.order_by("-number").values_list("number", flat=True).first()
            reason = f"{kind}: {len(found)} stored rows are not in the ledger"
            raise BrokenChain((last or 0) + 1, reason)
    return checked


@dataclass
class Verified:
    """The valid records of a database, and how many of them can still prove their clear facts."""

    entries: list[Entry] = field(default_factory=list)
    #: Records whose clear facts match their hash.
    with_facts: int = 0
    #: The number of rows that the records anonymized.
    rows: int = 0

    @property
    def head(self) -> Head:
        return self.entries[-1].head if self.entries else Head()


def verify_database(*, published: Head | None = None) -> Verified:
    """Check every record in the database and return the entries.

    ``published`` is a latest ledger hash that was saved earlier. It must belong to one of the
    records.

    Raises:
        BrokenChain: a record is wrong or missing; it names the first one, or the published one.
    """
    found = Verified()
    for erasure in Erasure.objects.order_by("number").iterator():
        if erasure.number != found.head.sequence + 1:
            raise BrokenChain(
                found.head.sequence + 1,
                f"is missing; record {erasure.number} is in its place",
            )
        if erasure.entry.hash != erasure.hash:
            raise BrokenChain(erasure.number, "was changed: its hash is another")
        verify([erasure.entry], after=found.head)
        if problem := _problem_of_facts(erasure):
            raise BrokenChain(erasure.number, problem)
        found.entries.append(erasure.entry)
        found.with_facts += erasure.knows_facts
        found.rows += erasure.rows
    heads = (Head(), *(entry.head for entry in found.entries))
    if published is not None and published not in heads:
        raise BrokenChain(published.sequence, "is not the one whose hash was saved")
    return found


def _problem_of_facts(erasure: Erasure) -> str:
    """Return why the fields that are not chained themselves are wrong; nothing when they are right.

    The facts of a record of version 1 are not chained. Those of a record of version 2 are either
    all there, and then match their hash, or all gone.
    """
    if erasure.version == 1:
        return ""
    expected = 0 if erasure.kind in Note else len(erasure.subjects)
    if erasure.rows != expected:
        return f"was changed: it names {expected} anonymized rows and counts {erasure.rows}"
    if erasure.knows_facts:
        return "" if erasure.facts_hold else "was changed: its facts differ from their hash"
    if erasure.created_at is not None or erasure.counts or erasure.evidence:
        return "was changed: its facts are not all gone, and cannot be verified without the salt"
    return ""


def unrecorded_marks(verified: Verified) -> int:
    """Return how many rows more are marked as anonymized than the records account for.

    After a restored backup there may be fewer: records are then about rows that it lacks.
    """
    marked = sum(
        policy.model._base_manager.exclude(**{policy.mark: None}).count()
        for policy in registry
        if policy.mark
    )
    return max(0, marked - verified.rows)


def warnings() -> list[str]:
    """Return ``invalid`` or ``unverified`` if the last ``verify_ledger`` failed, or is too old."""
    state = LedgerState.objects.first()
    if state and state.failed_at:
        return ["invalid"]
    before = timezone.now() - VERIFIED_WITHIN
    verified_at = state.verified_at if state else None
    if verified_at and verified_at >= before:
        return []
    old = Erasure.objects.filter(day__lt=timezone.localdate(before)).exists()
    return ["unverified"] if old or (verified_at and Erasure.objects.exists()) else []


def compare(database: list[Entry], outside: Contents) -> None:
    """Check that the external copy has the same records as the database.

    A record without a seal in the external copy is accepted if its intent is there: the process
    died before it could write the seal.

    Raises:
        BrokenChain: a record differs or is missing; it names the first such record.
    """
    for inside, copied in zip(database, outside.sealed, strict=False):
        if inside != copied:
            raise BrokenChain(inside.sequence, "differs from the external copy")
    if len(outside.sealed) > len(database):
        raise BrokenChain(len(database) + 1, "is missing in the database")
    for entry in database[len(outside.sealed) :]:
        if entry not in outside.unsealed:
            raise BrokenChain(entry.sequence, "is missing in the external copy")


def publish(head: Head) -> str:
    """Return a latest ledger hash to be saved elsewhere: sequence, hash and signature.

    Only this installation can make the signature.
    """
    return _signer.sign(str(head))


def read_head(text: str) -> Head:
    """Return the latest ledger hash from a text, with or without a signature.

    Raises:
        ValueError: the text has another form, or the signature was not made by this installation.
    """
    parts = text.strip().split(":")
    if len(parts) == 3:
        try:
            _signer.unsign(text.strip())
        except BadSignature:
            raise ValueError(
                "The hash was not signed with SECRET_KEY. If the key was changed since, "
                "verify without the signature: SEQUENCE:HASH."
            ) from None
    elif len(parts) != 2:
        raise ValueError("A latest ledger hash is SEQUENCE:HASH or SEQUENCE:HASH:SIGNATURE.")
    if not (
        parts[0].isascii() and parts[0].isdecimal() and len(parts[0]) < 19 and len(parts[1]) == 64
    ):
        raise ValueError("A latest ledger hash is SEQUENCE:HASH or SEQUENCE:HASH:SIGNATURE.")
    return Head(int(parts[0]), parts[1])
