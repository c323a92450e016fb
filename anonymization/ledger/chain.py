"""The chain of the ledger: each record is bound to the one before it by a hash.

An entry is what of a record is chained: it names nobody, holds no free text and no counts. Whoever holds one later
hash (the *head*) can tell that nothing before it was changed, removed, exchanged or put in. The format is
described in docs/ledger.md; ``bin/verify-ledger`` checks it without this product.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

VERSION = 1
#: What stands before the first entry.
GENESIS = "0" * 64
#: Keeps digests of subjects apart from digests of the same bytes elsewhere.
_SUBJECT = b"mluvii-gdpr/erasure-subject/1\0"


class BrokenChain(Exception):
    """The chain does not hold; ``sequence`` is that of the first entry that is wrong or missing."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"record {sequence}: {reason}")
        self.sequence, self.reason = sequence, reason


@dataclass(frozen=True)
class Head:
    """The newest entry, by which everything before it is fixed."""

    sequence: int = 0
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


class Entry(NamedTuple):
    """What is chained of a record. ``subject`` is a digest of a random identifier, ``day`` a date in ISO form."""

    sequence: int
    kind: str
    subject: str
    day: str
    requester: str
    previous: str
    version: int = VERSION

    @property
    def hash(self) -> str:
        """Return SHA-256(0x00 ‖ canonical JSON of all fields), in hexadecimal digits."""
        return hashlib.sha256(b"\0" + canonical(self._asdict())).hexdigest()

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.hash)

    def as_fields(self) -> dict[str, Any]:
        """Return the entry with its hash, as it is written to a file."""
        return self._asdict() | {"hash": self.hash}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the entry of a line of a file.

        Raises:
            ValueError: it is no entry of this version, or its hash is not its own.
        """
        try:
            stated = fields["hash"]
            entry = cls(**{name: value for name, value in fields.items() if name != "hash"})
        except (KeyError, TypeError):
            raise ValueError("is no record of a ledger") from None
        if entry.version != VERSION or type(entry.sequence) is not int:
            raise ValueError("is of an unknown version")
        if entry.hash != stated:
            raise ValueError("was changed: its hash is another")
        return entry


#: Made once: making it takes as long as encoding a record.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Return JSON in its one spelling (RFC 8785): sorted names, no spaces; the values are ASCII texts and numbers."""
    return _ENCODER.encode(fields).encode("ascii")


def subject_of(uid: uuid.UUID) -> str:
    """Return by what the ledger names a subject: a digest of its random identifier, of nothing that a person is."""
    return hashlib.sha256(_SUBJECT + uid.bytes).hexdigest()


def verify(entries: Iterable[Entry], *, after: Head = Head()) -> Head:
    """Check that entries follow each other and return the head.

    Raises:
        BrokenChain: with the first entry that does not follow.
    """
    head = after
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            raise BrokenChain(head.sequence + 1, f"is missing; {entry.sequence} stands in its place")
        if entry.previous != head.hash:
            raise BrokenChain(entry.sequence, "does not follow the record before it")
        head = entry.head
    return head
