"""The hash chain of the erasure ledger: each record contains the hash of the previous one.

An entry has the chained fields of a record. It contains no names, no free text and no counts.
Anyone who saved a later hash (the *head*) can prove that no earlier record was changed, removed,
replaced or inserted. The format is described in docs/ledger.md. ``bin/verify-ledger`` checks a
ledger without this product.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

VERSION = 1
#: The previous hash of the first entry.
GENESIS = "0" * 64
#: Prefix that makes the hash of a subject differ from any other hash of the same bytes.
_SUBJECT = b"mluvii-gdpr/erasure-subject/1\0"


class BrokenChain(Exception):
    """The chain is invalid; ``sequence`` is that of the first wrong or missing entry."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"record {sequence}: {reason}")
        self.sequence, self.reason = sequence, reason


@dataclass(frozen=True)
class Head:
    """The latest ledger hash with its sequence. It fixes all earlier entries."""

    sequence: int = 0
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


class Entry(NamedTuple):
    """The chained fields of a record.

    ``subject`` is a hash of a random identifier, ``day`` a date in ISO 8601 form.
    """

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
        """Return the fields of the entry and its hash, as they are written to a file."""
        return self._asdict() | {"hash": self.hash}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the entry from the fields of a line of a file.

        Raises:
            ValueError: the fields are not an entry of this version, or the hash does not match
                them.
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


#: Created once, because creating an encoder takes as long as encoding a record.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Return canonical JSON (RFC 8785): sorted names and no spaces.

    All values are ASCII texts or numbers.
    """
    return _ENCODER.encode(fields).encode("ascii")


def subject_of(uid: uuid.UUID) -> str:
    """Return the name of a subject in the ledger: a hash of its random identifier.

    The hash does not depend on any personal data.
    """
    return hashlib.sha256(_SUBJECT + uid.bytes).hexdigest()


def verify(entries: Iterable[Entry], *, after: Head = Head()) -> Head:
    """Check that each entry follows the previous one, and return the last head.

    Raises:
        BrokenChain: an entry does not follow the previous one; it names the first such entry.
    """
    head = after
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            raise BrokenChain(
                head.sequence + 1, f"is missing; {entry.sequence} stands in its place"
            )
        if entry.previous != head.hash:
            raise BrokenChain(entry.sequence, "does not follow the record before it")
        head = entry.head
    return head
