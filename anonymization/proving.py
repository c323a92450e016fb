"""Prove an erasure with the database, which also knows the rows that are not erased.

``bin/prove`` does the same with the external copy of the ledger alone. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from anonymization.ledger.chain import BrokenChain, Entry, Head
from anonymization.ledger.proof import (
    Comparison,
    Form,
    Found,
    Presented,
    Verdict,
    compare,
    is_erasure,
    judge,
    look_up,
)
from anonymization.models import Erasure
from anonymization.named import find_rows
from anonymization.policy import registry

_FIELDS = (
    "number",
    "kind",
    "subjects",
    "facts",
    "day",
    "requester",
    "previous",
    "version",
    "hash",
)


class Stored(Enum):
    """Verdicts that need the stored rows."""

    #: The row is stored and not anonymized.
    NOT_ERASED = "not_erased"
    #: A record says that the row was anonymized, but it is stored: a backup was restored.
    REAPPEARED = "reappeared"


@dataclass(frozen=True)
class Answer:
    """What the ledger and the stored rows say about something presented."""

    presented: Presented
    verdict: Verdict | Stored
    found: Found
    comparison: Comparison | None
    erasure: Erasure | None

    @property
    def is_proven(self) -> bool:
        return self.verdict is Verdict.ERASED


def prove(presented: Presented, *, saved: Head | None = None) -> Answer:
    """Look up what is presented in the ledger of the database, and verify its whole chain.

    ``saved`` is a latest ledger hash that somebody noted earlier.

    Raises:
        BrokenChain: a record was changed, removed or inserted; it names the first one.
    """
    found = look_up(presented, _entries(), saved=saved)
    erasure = Erasure.objects.filter(number=found.entry.sequence).first() if found.entry else None
    comparison = None
    if presented.form is Form.CERTIFICATE and found.entry and erasure:
        known = erasure.clear_facts if erasure.knows_facts and erasure.facts_hold else None
        comparison = compare(presented, found.entry, known=known)
    verdict = judge(presented, found, comparison)
    return Answer(presented, _with_rows(verdict, presented, found), found, comparison, erasure)


def _entries() -> Iterator[Entry]:
    """Yield the records as entries, read by one statement.

    Raises:
        BrokenChain: the stored hash of a record does not match its fields.
    """
    rows = Erasure.objects.order_by("number").values_list(*_FIELDS)
    for number, kind, subjects, facts, day, requester, previous, version, stored in rows.iterator():
        named = tuple(subjects) if isinstance(subjects, list) else ()
        fields = (number, kind, named, facts, day.isoformat(), requester, previous, version)
        entry = Entry(*fields)
        if entry.hash != stored:
            raise BrokenChain(number, "was changed: its hash is another")
        yield entry


def _with_rows(verdict: Verdict, presented: Presented, found: Found) -> Verdict | Stored:
    """Return the verdict after a look at the stored rows."""
    if verdict not in {Verdict.ERASED, Verdict.UNKNOWN}:
        return verdict
    if not _are_stored(presented, found.entry):
        return verdict
    return Stored.REAPPEARED if verdict is Verdict.ERASED else Stored.NOT_ERASED


def _are_stored(presented: Presented, entry: Entry | None) -> bool:
    """Return whether one of the rows is stored and not anonymized."""
    if presented.uid:
        return _is_stored(presented.uid)
    names: Collection[str] = (presented.subject,) if presented.subject else ()
    if entry and is_erasure(entry) and presented.subject not in entry.subjects:
        names = entry.subjects
    return bool(names and find_rows(names))


def _is_stored(uid: UUID) -> bool:
    models = [policy.model for policy in registry if policy.mark]
    return any(model._base_manager.filter(uid=uid).exists() for model in models)
