"""The external copy of the ledger: JSON lines in a folder of another volume, appended and never changed.

An erasure writes its *intent* before the database commits and its *seal* after it; when it knows that the database
rolled back, it writes *void* instead. A process that dies in between leaves an intent open: whether the database
committed is then known to the database only, and on the day of a restore such an intent counts as an erasure. The
intents of a transaction are one line, so that a disk that fills up loses all of them or none; a seal stands for all
entries before it.

The file is begun on purpose (``begin_ledger_copy``) and never by the way: a volume that is not mounted is an empty
folder as well.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from anonymization.ledger.chain import BrokenChain, Entry, Head, verify

FILE = "ledger.jsonl"
_KINDS = {"intents", "seal", "void"}
#: Bytes at the end of the file that are read to begin with, when only the end matters.
_TAIL = 256 * 1024

#: Kind and fields of one entry of a line; a line of intents has several.
_Parsed = tuple[str, dict[str, Any]]


class Unreadable(Exception):
    """A line of the external copy is none of ours; ``line`` is its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


class Diverged(Exception):
    """The external copy does not end where the database does: it is ahead of a restored one, or another's."""


@dataclass(frozen=True)
class Contents:
    """What an external copy holds.

    ``sealed`` are the entries that the database has committed for sure, in their order: sealed, or followed by a
    sealed one. ``unsealed`` are the other intents, in the order in which they were written, without the void ones.
    """

    sealed: list[Entry] = field(default_factory=list)
    unsealed: list[Entry] = field(default_factory=list)

    @property
    def head(self) -> Head:
        return self.sealed[-1].head if self.sealed else Head()

    def following(self, head: Head) -> list[Entry]:
        """Return the entries after a head, the unsealed ones that continue the chain among them.

        Raises:
            BrokenChain: the head is not of this ledger.
        """
        if head.sequence > len(self.sealed):
            if head not in {entry.head for entry in self.unsealed}:
                raise BrokenChain(head.sequence, "is missing in the external copy")
            return self._continuing(head)
        if head.sequence and self.sealed[head.sequence - 1].head != head:
            raise BrokenChain(head.sequence, "differs from the external copy")
        return self.sealed[head.sequence :] + self._continuing(self.head)

    def _continuing(self, head: Head) -> list[Entry]:
        """Return the unsealed entries that follow a head; of two in one place the one that was written later."""
        after = {entry.previous: entry for entry in self.unsealed}
        found: list[Entry] = []
        while entry := after.get(head.hash):
            found.append(entry)
            head = entry.head
        return found


def file_of() -> Path | None:
    """Return the file of this installation's external copy; None where none is kept."""
    folder: Path | None = settings.ERASURE_LEDGER_DIR
    return folder / FILE if folder else None


def begin(path: Path, *, entries: Iterable[Entry], intents: Iterable[Entry] = ()) -> None:
    """Write a new copy: entries that the database holds, and intents of what it is about to commit.

    Raises:
        FileExistsError: there is a copy; none is ever overwritten.
        OSError: the volume is full or not there.
    """
    written = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        with written.open("w", encoding="ascii") as file:
            for entry in entries:
                file.write(_intents([entry]) + _settled("seal", entry))
            file.write(_intents(list(intents)))
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link does not take the place of what another process began meanwhile.
        os.link(written, path)
        _sync_folder(path.parent)
    finally:
        written.unlink(missing_ok=True)


def write_intents(entries: Sequence[Entry]) -> None:
    """Append what is about to be committed, and see that it is on the disk.

    Raises:
        Diverged: the copy does not end with the entry before the first one; nothing was written.
        OSError: there is no copy, or the volume is full; the erasure must not go on.
    """
    if file_of() is not None:
        _append(_intents(entries), before=lambda descriptor: _require_end(_end_of(descriptor), entries))


def write_seal(entry: Entry) -> None:
    """Append that the database has committed the entry, and with it all that it follows."""
    _append(_settled("seal", entry))


def write_voids(entries: Iterable[Entry]) -> None:
    """Append that the database has rolled the entries back."""
    _append("".join(_settled("void", entry) for entry in entries))


def _intents(entries: Sequence[Entry]) -> str:
    return _line({"intents": [entry.as_fields() for entry in entries]}) if entries else ""


def _settled(kind: str, entry: Entry) -> str:
    return _line({kind: {"sequence": entry.sequence, "hash": entry.hash}})


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"


def _append(lines: str, *, before: Callable[[int], None] = lambda descriptor: None) -> None:
    path = file_of()
    if path is None or not lines:
        return
    with _locked(path) as descriptor:
        before(descriptor)
        # What a full disk cut short stays alone on its line.
        text = lines if _tail(descriptor, 1) in {b"", b"\n"} else "\n" + lines
        _write(descriptor, text.encode("ascii"))


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
    os.fsync(descriptor)


def _tail(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, size, max(0, os.fstat(descriptor).st_size - size))


@dataclass(frozen=True)
class End:
    """Where a copy ends: its newest seal, and the intents after that which are neither sealed nor void."""

    sealed: Head
    still_open: list[Head]


def _end_of(descriptor: int) -> End:
    """Read back as far as the intent of the newest seal: whatever is open beyond it was written later."""
    size = _TAIL
    while True:
        whole = size >= os.fstat(descriptor).st_size
        entries = _entries_in(_tail(descriptor, size))
        heads = {kind: [_head_of(fields) for k, fields in entries if k == kind] for kind in _KINDS}
        sealed = max(heads["seal"], key=lambda head: head.sequence, default=Head())
        if whole or (heads["seal"] and sealed in heads["intents"]):
            settled = {*heads["seal"], *heads["void"]}
            later = [head for head in heads["intents"] if head.sequence > sealed.sequence]
            return End(sealed, [head for head in later if head not in settled])
        size *= 4


def _entries_in(tail: bytes) -> list[_Parsed]:
    """Return the entries of the lines at the end of the file; what is damaged is found by ``read``."""
    found: list[_Parsed] = []
    for line in tail.decode("ascii", errors="replace").splitlines():
        with suppress(Unreadable):
            found += [(kind, fields) for kind, fields in _parsed(0, line) if _head_of(fields).sequence]
    return found


def _head_of(fields: dict[str, Any]) -> Head:
    sequence, digest = fields.get("sequence"), fields.get("hash")
    return Head(sequence, digest) if isinstance(sequence, int) and isinstance(digest, str) else Head()


def _require_end(end: End, entries: Sequence[Entry]) -> None:
    """Refuse unless the copy ends with the entry before the first one.

    Nobody else is about to commit: who writes holds the ledger's head. So an intent that is open counts as an erasure
    that this database may lack; only the same entries may be tried again.
    """
    first = Head(entries[0].sequence - 1, entries[0].previous)
    wanted = {entry.sequence: entry.head for entry in entries}
    newer = end.sealed.sequence > first.sequence
    other = end.sealed.sequence == first.sequence and end.sealed != first
    if (
        newer
        or other
        or any(wanted.get(h.sequence, h) != h for h in end.still_open if h.sequence > first.sequence)
    ):
        raise Diverged(
            f"the copy is sealed up to record {end.sealed.sequence}, the database ends with {first.sequence}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Yield the file opened for appending, while no other process appends."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ends_with(path: Path, head: Head) -> bool:
    """Say whether the head's is the newest seal and no intent is open after it: cheap, however long the file is.

    No may also mean that only reading all of it can tell.

    Raises:
        OSError: the file is not there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        end = _end_of(descriptor)
    finally:
        os.close(descriptor)
    return end == End(head, [])


def read(path: Path) -> Contents:
    """Read an external copy and check that its sealed entries form a chain.

    Raises:
        Unreadable: a line is damaged.
        BrokenChain: an entry is missing, exchanged or changed.
        OSError: the file is not there.
    """
    intents: dict[str, Entry] = {}
    seals: set[str] = set()
    voids: set[str] = set()
    with path.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not _is_whole(line):
                continue
            for kind, fields in _parsed(number, line):
                if kind == "intents":
                    entry = _entry(number, fields)
                    # Tried again after a void one on the same day, it is the same entry.
                    intents.pop(entry.hash, None)
                    intents[entry.hash] = entry
                    voids.discard(entry.hash)
                elif kind == "void":
                    # Of an intent that a full disk did not let in, nothing is known.
                    voids.add(_head_of(fields).hash)
                elif _head_of(fields).hash in intents:
                    seals.add(_head_of(fields).hash)
                else:
                    raise Unreadable(number, "seals what was never written")
    sealed = _chain(intents, seals)
    done = voids.union(entry.hash for entry in sealed)
    return Contents(sealed=sealed, unsealed=[e for e in intents.values() if e.hash not in done])


def _chain(intents: dict[str, Entry], seals: set[str]) -> list[Entry]:
    """Return the entries up to the newest sealed one; a seal that is missing before it says nothing.

    Raises:
        BrokenChain: an entry is missing, or a sealed one is not of this chain.
    """
    newest = max((intents[seal] for seal in seals), key=lambda entry: entry.sequence, default=None)
    chain: list[Entry] = []
    while newest is not None:
        chain.append(newest)
        newest = intents.get(newest.previous)
    chain.reverse()
    if chain and chain[0].sequence > 1:
        present = {entry.sequence for entry in intents.values()}
        absent = next(number for number in count(1) if number not in present)
        raise BrokenChain(min(absent, chain[0].sequence - 1), "is missing or was changed")
    verify(chain)
    if strange := seals - {entry.hash for entry in chain}:
        first = min(intents[seal].sequence for seal in strange)
        raise BrokenChain(first, "is sealed twice, each time another")
    return chain


def _is_whole(line: str) -> bool:
    """Say whether a line was written to its end. A full disk may cut one short; what it was to say did not happen."""
    return not line.startswith("{") or line.rstrip("\n").endswith(("}}", "]}"))


def _parsed(number: int, line: str) -> list[_Parsed]:
    try:
        ((kind, said),) = json.loads(line).items()
    except (ValueError, AttributeError):
        raise Unreadable(number, "is no line of a ledger") from None
    if kind == "intent":  # as it was once written, one to a line
        kind, said = "intents", [said]
    found = said if kind == "intents" else [said]
    if (
        kind not in _KINDS
        or not isinstance(found, list)
        or not all(isinstance(fields, dict) for fields in found)
    ):
        raise Unreadable(number, "is no line of a ledger")
    return [(kind, fields) for fields in found]


def _entry(number: int, fields: dict[str, Any]) -> Entry:
    try:
        return Entry.read(fields)
    except ValueError as wrong:
        sequence = fields.get("sequence")
        raise BrokenChain(sequence if isinstance(sequence, int) else number, str(wrong)) from None
