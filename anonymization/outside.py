"""The outside copy of the ledger: JSON lines in a folder of another volume, appended and never changed.

An erasure writes its *intent* before the database commits and its *seal* after it. A process that dies between the
two leaves an intent without a seal: whether the database committed is then known to the database alone, and on the
day of a restore such an intent counts as an erasure.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from anonymization.ledger import BrokenChain, Entry, Head, verify

FILE = "ledger.jsonl"


class Unreadable(Exception):
    """A line of the outside copy is none of ours; ``line`` is its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


@dataclass(frozen=True)
class Contents:
    """What an outside copy holds: the sealed entries in their order, and intents that were never sealed."""

    sealed: list[Entry] = field(default_factory=list)
    unsealed: list[Entry] = field(default_factory=list)

    @property
    def head(self) -> Head:
        return self.sealed[-1].head if self.sealed else Head()


def file_of() -> Path | None:
    """Return the file of this installation's outside copy; None where none is kept."""
    folder: Path | None = settings.ERASURE_LEDGER_DIR
    return folder / FILE if folder else None


def write_intent(entry: Entry) -> None:
    """Append what is about to be committed, and see that it is on the disk.

    Raises:
        OSError: the volume is full or not there; the erasure must not go on.
    """
    _append({"intent": entry.as_fields()})


def write_seal(entry: Entry) -> None:
    """Append that the database has committed the entry."""
    _append({"seal": {"sequence": entry.sequence, "hash": entry.hash}})


def _append(line: dict[str, Any]) -> None:
    path = file_of()
    if path is None:
        return
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"
    with _locked(path) as descriptor:
        os.write(descriptor, text.encode("ascii"))
        os.fsync(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Yield the file opened for appending, while no other process appends."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path) -> Contents:
    """Read an outside copy and check that its sealed entries form a chain.

    Raises:
        Unreadable: a line is damaged.
        BrokenChain: an entry is missing, exchanged or changed.
        OSError: the file is not there.
    """
    intents: dict[str, Entry] = {}
    sealed: list[Entry] = []
    with path.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            kind, fields = _parsed(number, line)
            if kind == "intent":
                entry = _entry(number, fields)
                intents[entry.hash] = entry
            else:
                found = intents.pop(str(fields.get("hash")), None)
                if found is None:
                    raise Unreadable(number, "seals what was never written")
                sealed.append(found)
    # Intents stand in the order of the chain, which a lock keeps; seals are written after it and may overtake.
    sealed.sort(key=lambda entry: entry.sequence)
    verify(sealed)
    return Contents(sealed=sealed, unsealed=list(intents.values()))


def _parsed(number: int, line: str) -> tuple[str, dict[str, Any]]:
    try:
        ((kind, fields),) = json.loads(line).items()
    except (ValueError, AttributeError):
        raise Unreadable(number, "is no line of a ledger") from None
    if kind not in {"intent", "seal"} or not isinstance(fields, dict):
        raise Unreadable(number, "is no line of a ledger")
    return kind, fields


def _entry(number: int, fields: dict[str, Any]) -> Entry:
    try:
        return Entry.read(fields)
    except ValueError as wrong:
        sequence = fields.get("sequence")
        raise BrokenChain(sequence if isinstance(sequence, int) else number, str(wrong)) from None
