"""Read what somebody presents about an erasure, and look it up in a ledger.

The page *Prove an erasure* and ``bin/prove`` share this module. It needs nothing but ``chain`` and
the standard library. What is presented may be hostile: nothing of it is trusted, and no text of it
is repeated unless its form was checked. The formats are described in docs/ledger.md.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from anonymization.ledger.chain import Entry, Head, canonical, facts_hash, subject_of, verify

#: The largest input in bytes. The certificate of a guest with 30,000 sessions is smaller.
LARGEST = 2 * 1024 * 1024
#: The beginning of a printed code. 1 is not a digit of base32.
CODE = "MGE1"
#: The possible values of facts. ``anonymization.models`` names them for readers.
SOURCES = ("page", "admin", "command", "api", "retention", "withdrawal", "replay", "redo")
GROUNDS = ("request", "withdrawal", "retention", "authority", "mistake", "other", "")
_EVENTS = ("given", "withdrawn", "informed", "imported")
#: Counts up to this one are tried in order to name a changed count.
_TRIED = 1000
_MANY = 50

_HASH = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("[0-9]{1,18}")
_UUID = re.compile("(urn:uuid:)?[0-9a-f]{8}(-?)([0-9a-f]{4}\\2){3}[0-9a-f]{12}", re.I)
_HEAD = re.compile("([0-9]{1,18}):([0-9a-fA-F]{64})(:.*)?", re.ASCII)
_WORD = re.compile("[A-Za-z_.]{1,100}")
_ASCII = re.compile("[ -~]{0,100}")
_LANGUAGE = re.compile("[A-Za-z-]{2,10}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00:00")
_ACCOUNT = re.compile("(user|client) [0-9]{1,18}")


def gettext_noop(text: str) -> str:
    """Mark a text for translation. The page translates it, ``bin/prove`` prints it as it is."""
    return text


class Sentence(NamedTuple):
    """A text with placeholders, and their values."""

    text: str
    values: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return self.text % self.values


class Unusable(Exception):
    """What is presented cannot be read. The sentence says why, without quoting it."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


class Form(Enum):
    """The form of what is presented."""

    RECEIPT = "receipt"
    CERTIFICATE = "certificate"
    NUMBER = "number"
    HASH = "hash"
    IDENTIFIER = "identifier"


class ShownText(NamedTuple):
    """The consent text that a receipt names."""

    sha256: str
    version: int | None
    language: str


@dataclass(frozen=True)
class Presented:
    """A receipt, a certificate, a record number, a hash, or a random identifier."""

    form: Form
    #: The hash of the random identifier of a row.
    subject: str = ""
    uid: UUID | None = None
    text: ShownText | None = None
    sequence: int | None = None
    #: The hash of a record.
    hash: str = ""
    #: The chained fields of a certificate. Its printed code does not have them.
    entry: Entry | None = None
    facts: Mapping[str, Any] | None = None
    salt: str = ""
    #: The latest ledger hash when the certificate was made.
    head: Head | None = None
    #: Facts that a certificate states a second time for readers.
    stated: Mapping[str, Any] = field(default_factory=dict)

    def names(self, entry: Entry) -> bool:
        """Return whether this is about the entry."""
        if self.sequence is not None:
            return entry.sequence == self.sequence
        return self.subject in entry.subjects or entry.hash == self.hash


# Reading ----------------------------------------------------------------------------------------


def read(data: bytes) -> Presented:
    """Return what is presented.

    Raises:
        Unusable: it has another form.
    """
    text = _text(data)
    if _NUMBER.fullmatch(text) and int(text):
        return Presented(Form.NUMBER, sequence=int(text))
    if _HASH.fullmatch(text.lower()):
        return Presented(Form.HASH, subject=text.lower(), hash=text.lower())
    if _HEAD.fullmatch(text):
        head = read_head(text)
        return Presented(Form.HASH, hash=head.hash, head=head)
    if _UUID.fullmatch(text):
        uid = _uuid(text)
        return Presented(Form.IDENTIFIER, subject=subject_of(uid), uid=uid)
    if _bare(text).startswith(CODE):
        return _of_code(text)
    if text.startswith("{"):
        return _of_json(text)
    raise _unusable(
        gettext_noop(
            "This is not a receipt, a certificate, a code, a record number or a hash of this "
            "product."
        )
    )


def read_head(text: str) -> Head:
    """Return a latest ledger hash that was saved. Its signature is not checked.

    Raises:
        Unusable: it has another form.
    """
    found = _HEAD.fullmatch(text.strip())
    if not found:
        raise _unusable(gettext_noop("A latest ledger hash has the form SEQUENCE:HASH."))
    return Head(int(found[1]), found[2].lower())


def is_short(text: str) -> bool:
    """Return whether a text is presented directly: a number, a hash, an identifier or a code."""
    short = (_NUMBER, _HASH, _HEAD, _UUID)
    return any(p.fullmatch(text.strip().lower()) for p in short) or _bare(text).startswith(CODE)


def _unusable(text: str) -> Unusable:
    return Unusable(Sentence(text))


def _text(data: bytes) -> str:
    if len(data) > LARGEST:
        raise _unusable(gettext_noop("This is too large to be a receipt or a certificate."))
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _unusable(gettext_noop("This is not text in the encoding UTF-8.")) from None
    if "\0" in text:
        raise _unusable(gettext_noop("This is not text: it contains null characters."))
    if not text:
        raise _unusable(gettext_noop("Nothing was entered."))
    return text


def _uuid(text: str) -> UUID:
    return UUID(text.lower().removeprefix("urn:uuid:"))


def _bare(text: str) -> str:
    """Return a code without the blanks and hyphens between its groups."""
    return re.sub(r"[\s-]+", "", text[:LARGEST]).upper()


def _of_code(text: str) -> Presented:
    digits = _bare(text).removeprefix(CODE)
    inflate = zlib.decompressobj()
    try:
        packed = base64.b32decode(digits + "=" * (-len(digits) % 8))
        unpacked = inflate.decompress(packed, LARGEST)
        complete = inflate.eof and not inflate.unused_data
        text = unpacked.decode("ascii")
    except (binascii.Error, zlib.error, ValueError):
        complete = False
    if not complete:
        raise _unusable(gettext_noop("The code is incomplete or mistyped."))
    found = _parse(text)
    if found.keys() != {"facts", "hash", "salt", "sequence"}:
        raise _unusable(gettext_noop("The code is incomplete or mistyped."))
    return Presented(
        Form.CERTIFICATE,
        sequence=_sequence(found["sequence"]),
        hash=_hash(found["hash"]),
        facts=_facts(found["facts"]),
        salt=_hash(found["salt"]),
    )


def _of_json(text: str) -> Presented:
    found = _parse(text)
    if isinstance(found.get("record"), dict):
        return _receipt(found)
    if isinstance(found.get("ledger"), dict):
        return _certificate(found)
    raise _unusable(
        gettext_noop("This JSON is neither a receipt nor a certificate of this product."),
    )


def _parse(text: str) -> dict[str, Any]:
    """Return the JSON object in the text.

    Raises:
        Unusable: it is not valid, or two readers could understand it differently.
    """
    try:
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_no_number,
        )
    # RecursionError: nested more deeply than Python reads. ValueError: also a number too long.
    except (ValueError, RecursionError):
        raise _unusable(
            gettext_noop(
                "This is not valid JSON: it is damaged, too deeply nested, or has a name twice or "
                "a number that is not whole."
            )
        ) from None
    if not isinstance(found, dict):
        raise _unusable(
            gettext_noop("This JSON is neither a receipt nor a certificate of this product.")
        )
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError("not a whole number")


def _receipt(found: dict[str, Any]) -> Presented:
    subject, record_id = found["record"].get("pii_principal_id"), found["record"].get("record_id")
    if not _is(_HASH, subject):
        raise _unusable(
            gettext_noop("The receipt lacks the hash of the conversation (pii_principal_id).")
        )
    # The identifier finds a row faster than its hash. A receipt may have another one.
    uid = _uuid(record_id) if _is(_UUID, record_id) else None
    if uid and subject_of(uid) != subject:
        uid = None
    return Presented(Form.RECEIPT, subject=subject, uid=uid, text=_shown_text(found))


def _shown_text(found: dict[str, Any]) -> ShownText | None:
    processing = found.get("processing")
    if not isinstance(processing, dict) or not _is(_HASH, processing.get("privacy_notice_sha256")):
        return None
    version, language = processing.get("privacy_notice_version"), processing.get("language")
    return ShownText(
        processing["privacy_notice_sha256"],
        version if _is_natural(version) else None,
        str(language) if _is(_LANGUAGE, language) else "",
    )


def _certificate(found: dict[str, Any]) -> Presented:
    entry, stated_hash = _entry(found["ledger"])
    facts, salt = found.get("facts"), found.get("salt")
    if (facts is None) != (salt is None):
        raise _unusable(
            gettext_noop("The certificate has facts without their salt, or the reverse.")
        )
    known = ("source", "account", "ground")
    return Presented(
        Form.CERTIFICATE,
        sequence=entry.sequence,
        hash=_hash(stated_hash),
        entry=entry,
        facts=None if facts is None else _facts(facts),
        salt="" if salt is None else _hash(salt),
        head=_head(found.get("head")),
        stated={} if facts is None else {name: found[name] for name in known if name in found},
    )


def _entry(fields: dict[str, Any]) -> tuple[Entry, Any]:
    try:
        entry, stated = Entry.parse(fields)
    except ValueError:
        raise _unusable(_NO_RECORD) from None
    words = _is(_WORD, entry.kind) and _is(_WORD, entry.requester)
    if not (entry.is_well_formed and words):
        raise _unusable(_NO_RECORD)
    return entry, stated


_NO_RECORD = gettext_noop("The certificate does not contain a record of a ledger.")
_NO_FACTS = gettext_noop("The facts of the certificate are incomplete or have another form.")


def _facts(facts: Any) -> dict[str, Any]:
    """Return the facts of a certificate, whose values are then safe to show."""
    checks = {
        "time": lambda value: value is None or _is(_TIME, value),
        "source": lambda value: _is(_WORD, value),
        "requester": lambda value: _is(_WORD, value),
        "account": lambda value: value is None or _is(_ACCOUNT, value),
        "ground": lambda value: value == "" or _is(_WORD, value),
        "counts": _are_counts,
        "evidence": _is_evidence,
    }
    if not isinstance(facts, dict) or facts.keys() != checks.keys():
        raise _unusable(_NO_FACTS)
    if not all(check(facts[name]) for name, check in checks.items()):
        raise _unusable(_NO_FACTS)
    return facts


def _are_counts(counts: Any) -> bool:
    return isinstance(counts, dict) and all(
        _is(_WORD, name) and _is_natural(count) for name, count in counts.items()
    )


def _is_evidence(evidence: Any) -> bool:
    return isinstance(evidence, list) and all(
        isinstance(values, list) and all(_is_natural(v) or _is(_ASCII, v) for v in values)
        for values in evidence
    )


def _head(found: Any) -> Head | None:
    if found is None:
        return None
    if not isinstance(found, dict) or not _is_natural(found.get("sequence")):
        raise _unusable(_NO_RECORD)
    return Head(found["sequence"], _hash(found.get("hash")))


def _is(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _is_natural(value: Any) -> bool:
    # Not isinstance: true would count as a number.
    return type(value) is int and 0 <= value < 2**63


def _sequence(value: Any) -> int:
    if not _is_natural(value) or not value:
        raise _unusable(_NO_RECORD)
    return int(value)


def _hash(value: Any) -> str:
    if not _is(_HASH, value):
        raise _unusable(_NO_RECORD)
    return str(value)


def code_of(entry: Entry, *, facts: Mapping[str, Any], salt: str) -> str:
    """Return the printed code of a certificate: number and hash of the record, facts and salt."""
    said = {"sequence": entry.sequence, "hash": entry.hash, "facts": facts, "salt": salt}
    packed = base64.b32encode(zlib.compress(canonical(said), 9)).decode("ascii").rstrip("=")
    return " ".join(re.findall(".{1,8}", CODE + packed))


# Looking up -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The entry of a ledger that something presented is about, and the state of the chain."""

    entry: Entry | None
    latest: Head
    #: Saved hashes that are not in the chain.
    missing: list[Head]


def look_up(presented: Presented, entries: Iterable[Entry], *, saved: Head | None = None) -> Found:
    """Verify a whole chain, and return the entry that is presented.

    ``saved`` is a latest ledger hash that somebody noted earlier. An erasure comes before a note
    about the same row.

    Raises:
        BrokenChain: an entry does not follow the previous one.
    """
    latest, found = Head(), None
    expected = {head for head in (saved, presented.head) if head} - {latest}
    for entry in entries:
        latest = verify([entry], after=latest)
        expected.discard(latest)
        if presented.names(entry) and (found is None or not is_erasure(found)):
            found = entry
    return Found(found, latest, sorted(expected, key=lambda head: head.sequence))


def is_erasure(entry: Entry) -> bool:
    """Return whether the kind of an entry is a model. Other entries are notes."""
    return "." in entry.kind


class Difference(NamedTuple):
    """A statement of a certificate that is not that of the ledger.

    ``recorded`` is None if only the hash of the true value is known.
    """

    name: str
    presented: Any
    recorded: Any


class Facts(Enum):
    """Whether the facts of a certificate are those whose hash is in the chain."""

    MATCH = "match"
    DIFFER = "differ"
    #: The certificate was made after the facts were cleared.
    ABSENT = "absent"
    #: The record has no hash of its facts, because it is of version 1.
    UNCHAINED = "unchained"


@dataclass(frozen=True)
class Comparison:
    """What a certificate states, compared with the entry of the ledger."""

    facts: Facts
    differences: list[Difference]

    @property
    def is_equal(self) -> bool:
        return self.facts is not Facts.DIFFER and not self.differences


def compare(
    presented: Presented, entry: Entry, *, known: Mapping[str, Any] | None = None
) -> Comparison:
    """Compare a certificate with the entry of the ledger that it names.

    ``known`` are the clear facts, where the ledger still has them.
    """
    differences = list(_chained_differences(presented, entry))
    facts = _state_of_facts(presented, entry)
    if presented.facts is not None:
        if facts is Facts.DIFFER:
            true = known or _guess(presented.facts, presented.salt, entry)
            differences += _fact_differences(presented.facts, true, entry)
        differences += [
            Difference(name, None, presented.facts[name])
            for name, value in presented.stated.items()
            if value != presented.facts[name]
        ]
    return Comparison(facts, differences)


def _chained_differences(presented: Presented, entry: Entry) -> Iterator[Difference]:
    if presented.entry:
        fields = entry.fields
        for name, value in presented.entry.fields.items():
            if name in fields and fields[name] != value:
                yield Difference(name, value, fields[name])
    if presented.hash and presented.hash != entry.hash:
        yield Difference("hash", presented.hash, entry.hash)


def _state_of_facts(presented: Presented, entry: Entry) -> Facts:
    if not entry.facts:
        return Facts.UNCHAINED
    if presented.facts is None:
        return Facts.ABSENT
    matches = facts_hash(presented.facts, presented.salt) == entry.facts
    return Facts.MATCH if matches else Facts.DIFFER


def _fact_differences(
    presented: Mapping[str, Any], true: Mapping[str, Any] | None, entry: Entry
) -> list[Difference]:
    if true is None:
        differs = presented["requester"] != entry.requester
        return [Difference("requester", presented["requester"], entry.requester)] * differs
    found = [
        Difference(name, value, true[name])
        for name, value in presented.items()
        if value != true[name]
    ]
    # Only their hash differs: the salt was changed.
    return found or [Difference("salt", None, None)]


def _guess(facts: Mapping[str, Any], salt: str, entry: Entry) -> Mapping[str, Any] | None:
    """Return the true facts if one change of a few possible ones explains the difference."""
    near = (near for near in _variants(facts, entry) if facts_hash(near, salt) == entry.facts)
    return next(near, None)


def _variants(facts: Mapping[str, Any], entry: Entry) -> Iterator[Mapping[str, Any]]:
    facts = {**facts, "requester": entry.requester}
    for source in SOURCES:
        for ground in GROUNDS:
            yield {**facts, "source": source, "ground": ground}
    yield {**facts, "account": None}
    for name in list(facts["counts"])[:_MANY]:
        for count in range(_TRIED + 1):
            yield {**facts, "counts": {**facts["counts"], name: count}}
    evidence = facts["evidence"]
    for values in evidence[:_MANY]:
        others = [other for other in evidence if other != values]
        yield {**facts, "evidence": others}
        for event in _EVENTS if values else ():
            changed = [*values[:-1], event]
            for kept in (others, evidence):
                yield {**facts, "evidence": _sorted([*kept, changed])}


def _sorted(evidence: list[list[Any]]) -> list[list[Any]]:
    try:
        return sorted(evidence)
    except TypeError:  # Numbers and words in the same place: not evidence of this product.
        return evidence


# Answering --------------------------------------------------------------------------------------


class Verdict(Enum):
    """What a ledger says about something presented. Only ERASED proves an erasure."""

    ERASED = "erased"
    #: The record is in the ledger, but it is a note about the ledger itself.
    NOTE = "note"
    #: A certificate states something else than the ledger.
    DIFFERENT = "different"
    #: The chain lacks a hash that was saved earlier, or a record that was certified.
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


def judge(presented: Presented, found: Found, comparison: Comparison | None) -> Verdict:
    """Return what the ledger says. ``comparison`` is that of a certificate whose record is there."""
    if found.missing:
        return Verdict.INCOMPLETE
    if found.entry is None:
        is_certified = presented.form is Form.CERTIFICATE
        return Verdict.INCOMPLETE if is_certified else Verdict.UNKNOWN
    if comparison and not comparison.is_equal:
        return Verdict.DIFFERENT
    return Verdict.ERASED if is_erasure(found.entry) else Verdict.NOTE
