"""Verify the chain in the database, its external copy, and a latest ledger hash saved earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.core.signing import BadSignature, Signer

from anonymization.ledger.chain import BrokenChain, Entry, Head, verify
from anonymization.ledger.external_copy import Contents
from anonymization.models import Erasure, Note, Source

_signer = Signer(salt="anonymization.ledger")
#: Note kind → a function that computes the hashes of the stored facts that such notes contain.
_facts: dict[Note, Callable[[], Iterable[str]]] = {}


def register_facts(kind: Note, hashes: Callable[[], Iterable[str]]) -> None:
    """Register the rows whose hashes are chained as notes of this kind.

    ``hashes`` computes the hash of each row from its current values.
    """
    _facts[kind] = hashes


def verify_facts() -> int:
    """Check that each registered row is the one that was chained, and return their number.

    A note that a replay imported may lack its row: the restored backup is older than the row.

    Raises:
        BrokenChain: a row was changed, removed or added; it names the record, or the next record
            for a row that is not in the ledger.
    """
    checked = 0
    for kind, hashes in _facts.items():
        notes = Erasure.objects.filter(kind=kind).order_by("number")
        noted = {
            subject: (number, door)
            for subject, number, door in notes.values_list("subject", "number", "door")
        }
        found = set(hashes())
        checked += len(found)
        for subject, (number, door) in noted.items():
            if subject not in found and door != Source.REPLAY:
                raise BrokenChain(number, f"{kind}: the stored row was changed or removed")
        if unknown := len(found - noted.keys()):
            head = Erasure.objects.order_by("-number").values_list("number", flat=True).first()
            raise BrokenChain(
                (head or 0) + 1, f"{kind}: {unknown} stored rows are not in the ledger"
            )
    return checked


def verify_database(*, published: Head | None = None) -> list[Entry]:
    """Check every record in the database and return the entries.

    ``published`` is a latest ledger hash that was saved earlier. It must belong to one of the
    records.

    Raises:
        BrokenChain: a record is wrong or missing; it names the first one, or the published one.
    """
    entries: list[Entry] = []
    head = Head()
    for erasure in Erasure.objects.order_by("number").iterator():
        if erasure.number != head.sequence + 1:
            raise BrokenChain(
                head.sequence + 1, f"is missing; {erasure.number} stands in its place"
            )
        if erasure.entry.hash != erasure.hash:
            raise BrokenChain(erasure.number, "was changed: its hash is another")
        head = verify([erasure.entry], after=head)
        entries.append(erasure.entry)
    if published is not None and published not in (Head(), *(entry.head for entry in entries)):
        raise BrokenChain(published.sequence, "is not the one whose head was published")
    return entries


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
            raise ValueError("The head was not signed by this installation.") from None
    elif len(parts) != 2:
        raise ValueError("A head is SEQUENCE:HASH or SEQUENCE:HASH:SIGNATURE.")
    if not (
        parts[0].isascii() and parts[0].isdecimal() and len(parts[0]) < 19 and len(parts[1]) == 64
    ):
        raise ValueError("A head is SEQUENCE:HASH or SEQUENCE:HASH:SIGNATURE.")
    return Head(int(parts[0]), parts[1])
