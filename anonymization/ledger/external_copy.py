"""The external copy of the ledger: an append-only file of JSON lines on another volume.

An erasure writes its *intent* before the database commits and its *seal* after the commit. If the
database certainly rolled back, it writes *void* instead of the seal. A process that dies in between
leaves an open intent. Only the database can then tell whether it committed. After a restore such an
intent counts as an erasure. All intents of a transaction are one line, so that a full disk loses
all of them or none. A seal also covers all entries before it.

Only ``begin_ledger_copy`` creates the file. An erasure never creates it, because a volume that is
not mounted looks like an empty folder.
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
#: Number of bytes that are read first from the end of the file, where only the end matters.
_TAIL = 256 * 1024

#: The kind and the fields of one entry of a line. A line of intents has several entries.
_Parsed = tuple[str, dict[str, Any]]


class Unreadable(Exception):
    """A line of the external copy is not valid; ``line`` is its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


class Diverged(Exception):
    """The external copy does not end with the same entry as the database.

    Either it is ahead of a restored database, or it belongs to another ledger.
    """


@dataclass(frozen=True)
class Contents:
    """The entries of an external copy.

    ``sealed`` are the entries that the database has certainly committed, in their order. Each has a
    seal or is followed by a sealed entry. ``unsealed`` are the other intents without the void ones,
    in the order of writing.
    """

    sealed: list[Entry] = field(default_factory=list)
    unsealed: list[Entry] = field(default_factory=list)

    @property
    def head(self) -> Head:
        return self.sealed[-1].head if self.sealed else Head()

    def following(self, head: Head) -> list[Entry]:
        """Return the entries after a head, including the unsealed ones that continue the chain.

        Raises:
            BrokenChain: the head does not belong to this ledger.
        """
        if head.sequence > len(self.sealed):
            if head not in {entry.head for entry in self.unsealed}:
                raise BrokenChain(head.sequence, "is missing in the external copy")
            return self._continuing(head)
        if head.sequence and self.sealed[head.sequence - 1].head != head:
            raise BrokenChain(head.sequence, "differs from the external copy")
        return self.sealed[head.sequence :] + self._continuing(self.head)

    def _continuing(self, head: Head) -> list[Entry]:
        """Return the unsealed entries that follow a head.

        If two entries have the same position, the one that was written later is returned.
        """
        after = {entry.previous: entry for entry in self.unsealed}
        found: list[Entry] = []
        while entry := after.get(head.hash):
            found.append(entry)
            head = entry.head
        return found


def file_of() -> Path | None:
    """Return the path of this installation's external copy, or None if none is configured."""
    folder: Path | None = settings.ERASURE_LEDGER_DIR
    return folder / FILE if folder else None


def begin(path: Path, *, entries: Iterable[Entry], intents: Iterable[Entry] = ()) -> None:
    """Write a new external copy.

    ``entries`` are committed in the database; ``intents`` are about to be committed.

    Raises:
        FileExistsError: an external copy exists already; it is never overwritten.
        OSError: the volume is full or not mounted.
    """
    written = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        with written.open("w", encoding="ascii") as file:
            for entry in entries:
                file.write(_intents([entry]) + _settled("seal", entry))
            file.write(_intents(list(intents)))
            file.flush()
            os.fsync(file.fileno())
        # A rename would overwrite a file that another process created in the meantime. A link
        # fails.
        os.link(written, path)
        _sync_folder(path.parent)
    finally:
        written.unlink(missing_ok=True)


def write_intents(entries: Sequence[Entry]) -> None:
    """Append the entries that are about to be committed, and flush them to the disk.

    Raises:
        Diverged: the external copy does not end with the entry before the first one; nothing was
            written.
        OSError: there is no external copy, or the volume is full; the erasure must be rolled back.
    """
    if file_of() is not None:
        _append(
            _intents(entries), before=lambda descriptor: _require_end(_end_of(descriptor), entries)
        )


def write_seal(entry: Entry) -> None:
    """Append a seal: the database has committed this entry and all entries before it.

    Raises:
        OSError: there is no external copy, or the volume is full.
    """
    _append(_settled("seal", entry))


def write_voids(entries: Iterable[Entry]) -> None:
    """Append that the database has rolled the entries back.

    Raises:
        OSError: there is no external copy, or the volume is full.
    """
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
        # Start a new line after one that a full disk cut short.
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
    """The end of an external copy: the newest seal and the later intents that are still open.

    An open intent is neither sealed nor void.
    """

    sealed: Head
    still_open: list[Head]


def _end_of(descriptor: int) -> End:
    """Read the end of the file, back to the intent of the newest seal.

    Newer intents that are still open were written after it, so that nothing before it has to be
    read.
    """
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
    """Return the entries of the lines at the end of the file.

    Skips damaged lines; ``read`` reports them.
    """
    found: list[_Parsed] = []
    for line in tail.decode("ascii", errors="replace").splitlines():
        with suppress(Unreadable):
            found += [
                (kind, fields) for kind, fields in _parsed(0, line) if _head_of(fields).sequence
            ]
    return found


def _head_of(fields: dict[str, Any]) -> Head:
    sequence, digest = fields.get("sequence"), fields.get("hash")
    return (
        Head(sequence, digest) if isinstance(sequence, int) and isinstance(digest, str) else Head()
    )


def _require_end(end: End, entries: Sequence[Entry]) -> None:
    """Check that the external copy ends with the entry before the first one.

    The writer has locked the ledger, so that no other process is about to commit. An open intent
    therefore counts as an erasure that this database may lack. Only the same entries may be written
    again.

    Raises:
        Diverged: the external copy ends with another entry.
    """
    first = Head(entries[0].sequence - 1, entries[0].previous)
    wanted = {entry.sequence: entry.head for entry in entries}
    newer = end.sealed.sequence > first.sequence
    other = end.sealed.sequence == first.sequence and end.sealed != first
    if (
        newer
        or other
        or any(
            wanted.get(h.sequence, h) != h for h in end.still_open if h.sequence > first.sequence
        )
    ):
        raise Diverged(
            f"the copy is sealed up to record {end.sealed.sequence}, the database ends with {first.sequence}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Yield the descriptor of the file opened for appending; no other process can append."""
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
    """Return whether the newest seal is this head and no later intent is open.

    The cost does not depend on the size of the file. A false result is not final: it may be
    necessary to read the whole file.

    Raises:
        OSError: the file does not exist.
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
        BrokenChain: an entry is missing, replaced or changed.
        OSError: the file does not exist.
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
                    # An erasure that is repeated on the same day after a void one has the same
                    # entry.
                    intents.pop(entry.hash, None)
                    intents[entry.hash] = entry
                    voids.discard(entry.hash)
                elif kind == "void":
                    # The file may lack the intent, because the disk was full. The void is then
                    # harmless.
                    voids.add(_head_of(fields).hash)
                elif _head_of(fields).hash in intents:
                    seals.add(_head_of(fields).hash)
                else:
                    raise Unreadable(number, "seals what was never written")
    sealed = _chain(intents, seals)
    done = voids.union(entry.hash for entry in sealed)
    return Contents(sealed=sealed, unsealed=[e for e in intents.values() if e.hash not in done])


def _chain(intents: dict[str, Entry], seals: set[str]) -> list[Entry]:
    """Return the entries up to the newest sealed one.

    Earlier entries do not need a seal of their own, because a seal covers all entries before it.

    Raises:
        BrokenChain: an entry is missing, or a sealed entry does not belong to this chain.
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
    """Return whether a line was written completely.

    A full disk may cut a line short. The event that it describes did not happen.
    """
    return not line.startswith("{") or line.rstrip("\n").endswith(("}}", "]}"))


def _parsed(number: int, line: str) -> list[_Parsed]:
    try:
        ((kind, said),) = json.loads(line).items()
    except (ValueError, AttributeError):
        raise Unreadable(number, "is no line of a ledger") from None
    if kind == "intent":  # Earlier versions wrote one intent per line.
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
