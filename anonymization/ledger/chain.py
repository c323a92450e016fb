"""The hash chain of the erasure ledger: each record contains the hash of the previous one.

An entry has the chained fields of a record. It contains no names, no free text and no counts: only
the hash of these *facts*, with a random salt, so that nobody can guess them from their hash. Anyone
who saved a later hash (the *head*) can prove that no earlier record was changed, removed,
replaced or inserted. The format is described in docs/ledger.md. ``bin/verify-ledger`` checks a
ledger without this product.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

#: The version of new entries. Version 1 had one subject for each act and no facts.
VERSION = 2
VERSIONS = (1, 2)
#: The previous hash of the first entry.
GENESIS = "0" * 64
#: Prefix that makes the hash of a subject differ from any other hash of the same bytes.
SUBJECT_PREFIX = b"mluvii-gdpr/erasure-subject/1\0"
_FACTS = b"mluvii-gdpr/erasure-facts/2\0"
_HASH = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


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

    ``subjects`` are the sorted hashes of the random identifiers of all rows that the act
    anonymized. ``facts`` is the hash of its facts (``facts_hash``). ``day`` is a date in ISO 8601
    form. An entry of version 1 has one subject and no facts.
    """

    sequence: int
    kind: str
    subjects: tuple[str, ...]
    facts: str
    day: str
    requester: str
    previous: str
    version: int = VERSION

    @property
    def fields(self) -> dict[str, Any]:
        """Return the hashed fields, as the version of the entry names them."""
        fields = self._asdict() | {"subjects": list(self.subjects)}
        if self.version == 1:
            del fields["facts"]
            (fields["subject"],) = fields.pop("subjects")
        return fields

    @property
    def hash(self) -> str:
        """Return SHA-256(0x00 ‖ canonical JSON of the fields), in hexadecimal digits."""
        return hashlib.sha256(b"\0" + canonical(self.fields)).hexdigest()

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.hash)

    def as_fields(self) -> dict[str, Any]:
        """Return the fields of the entry and its hash, as they are written to a file."""
        return self.fields | {"hash": self.hash}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return the entry from the fields of a line of a file.

        Raises:
            ValueError: the fields are not an entry of a known version, or the hash does not match
                them.
        """
        entry, stated = cls.parse(fields)
        if entry.hash != stated:
            raise ValueError("was changed: its hash is another")
        if not entry.is_well_formed:
            raise ValueError("is not a record of a ledger")
        return entry

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> tuple[Self, Any]:
        """Return the entry from its fields, and the hash that is stated with them, unchecked.

        Raises:
            ValueError: the fields are not those of an entry of a known version.
        """
        given = dict(fields)
        stated = given.pop("hash", None)
        version = given.get("version")
        if type(version) is not int or version not in VERSIONS:
            raise ValueError("is of an unknown version")
        if {name: type(value) for name, value in given.items()} != _TYPES[version]:
            raise ValueError("is not a record of a ledger")
        if version == 1:
            given |= {"subjects": [given.pop("subject")], "facts": ""}
        if not all(type(subject) is str for subject in given["subjects"]):
            raise ValueError("is not a record of a ledger")
        return cls(**given | {"subjects": tuple(given["subjects"])}), stated

    @property
    def is_well_formed(self) -> bool:
        """Return whether the values are of the documented form."""
        hashes = [*self.subjects, self.previous, *([self.facts] if self.version > 1 else [])]
        return (
            0 < self.sequence < 2**63
            and all(map(_HASH.fullmatch, hashes))
            and list(self.subjects) == sorted(set(self.subjects))
            and _DAY.fullmatch(self.day) is not None
        )


_SHARED = {
    "version": int,
    "sequence": int,
    "kind": str,
    "day": str,
    "requester": str,
    "previous": str,
}
#: The fields of each version with their types. ``True`` is no number.
_TYPES = {1: _SHARED | {"subject": str}, 2: _SHARED | {"subjects": list, "facts": str}}


#: Created once, because creating an encoder takes as long as encoding a record.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Return canonical JSON (RFC 8785): sorted names and no spaces.

    All texts are ASCII, and all numbers are integers.
    """
    return _ENCODER.encode(fields).encode("ascii")


def subject_of(uid: uuid.UUID | None) -> str:
    """Return the name of a subject in the ledger: a hash of its random identifier.

    The hash does not depend on any personal data.

    Raises:
        ValueError: the row is anonymized and has no random identifier any more.
    """
    if uid is None:
        raise ValueError("an anonymized row has no random identifier")
    return hashlib.sha256(SUBJECT_PREFIX + uid.bytes).hexdigest()


def facts_hash(facts: Mapping[str, Any], salt: str) -> str:
    """Return the hash of the facts of a record. ``salt`` has 64 random hexadecimal digits.

    Few times and counts are possible in a day. Without the salt they could be tried out.
    """
    return hashlib.sha256(_FACTS + bytes.fromhex(salt) + canonical(facts)).hexdigest()


def verify(entries: Iterable[Entry], *, after: Head = Head()) -> Head:
    """Check that each entry follows the previous one, and return the last head.

    Raises:
        BrokenChain: an entry does not follow the previous one; it names the first such entry.
    """
    head = after
    for entry in entries:
        if entry.sequence != head.sequence + 1:
            raise BrokenChain(
                head.sequence + 1, f"is missing; record {entry.sequence} is in its place"
            )
        if entry.previous != head.hash:
            raise BrokenChain(entry.sequence, "does not follow the record before it")
        head = entry.head
    return head
