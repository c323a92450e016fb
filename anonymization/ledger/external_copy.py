"""The external copy of the ledger: an append-only file of JSON lines on another volume.

It is a redo log. An erasure writes its *intent* before the database commits and its *seal* after
the commit. If the database certainly rolled back, it writes *void* instead of the seal. A process
that dies in between leaves an open intent. If the database lacks it, it is carried out again, see
``anonymization.redo``. All intents of a transaction are one line, so that a full disk loses all of
them or none. A seal also covers all entries before it.

An intent is only appended where the chain of the copy ends where the chain of the database ends. A
copy that is empty, shortened, damaged or of another ledger therefore stays unusable until somebody
mends it.

Only ``begin_ledger_copy`` creates the file. An erasure never creates it, because a volume that is
not mounted looks like an empty folder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from anonymization.ledger.chain import BrokenChain, Entry, Head, verify

FILE = "ledger.jsonl"
_KINDS = {"intents", "seal", "void"}
#: Number of bytes that are read first from the end of the file, where only the end matters.
_TAIL = 16 * 1024
#: The largest sequence that is read. The database stores it in 64 bits.
_LARGEST = 2**63 - 1

#: The kind and the fields of one part of a line. A line of intents has several entries.
_Parsed = tuple[str, dict[str, Any]]


class Unreadable(Exception):
    """A line of the external copy is not valid; ``line`` is its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


class Diverged(Exception):
    """The chain of the external copy does not end where the chain of the database ends.

    Either the copy is ahead of a restored database, or it lacks entries of the database, or it
    belongs to another ledger.
    """


class IntentsOpen(Exception):
    """Open intents follow the newest entry of the database. They must be carried out first."""


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
            if os.geteuid() == 0:
                # The service account must be able to append to a file that root creates.
                folder = os.stat(path.parent)
                os.chown(file.fileno(), folder.st_uid, folder.st_gid)
        # A rename would overwrite a file that another process created in the meantime. A link
        # fails.
        os.link(written, path)
        _sync_folder(path.parent)
    finally:
        written.unlink(missing_ok=True)


def write_intents(entries: Sequence[Entry], *, instead_of: Sequence[Entry] = ()) -> None:
    """Append the entries that are about to be committed, and flush them to the disk.

    ``instead_of`` are open intents that become void. One write contains both, so that a process
    that dies leaves all of it or nothing.

    Raises:
        Diverged: the external copy does not end with the entry before the first one; nothing was
            written.
        IntentsOpen: other open intents follow that entry; nothing was written.
        Unreadable: the end of the external copy is damaged; nothing was written.
        OSError: there is no external copy, or the volume is full; the erasure must be rolled back.
    """
    if file_of() is None:
        return
    first = Head(entries[0].sequence - 1, entries[0].previous)
    lines = "".join(_settled("void", entry) for entry in instead_of) + _intents(entries)
    _append(lines, before=lambda descriptor: _require_end(descriptor, first, instead_of))


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

    An open intent is neither sealed nor void. They are in the order of writing.
    """

    sealed: Head
    still_open: list[Entry]

    def following(self, head: Head) -> list[Entry]:
        """Return the open intents that follow the newest entry of the database.

        Raises:
            Diverged: the chain of the copy is ahead by a seal, or does not contain this entry.
        """
        heads = [self.sealed]
        for entry in self.still_open:
            if Head(entry.sequence - 1, entry.previous) != heads[-1]:
                raise Diverged(f"the open intent {entry.sequence} does not follow the one before")
            heads.append(entry.head)
        if head not in heads:
            raise Diverged(
                f"the copy is sealed up to record {self.sealed.sequence}, "
                f"the database ends with {head.sequence}"
            )
        return self.still_open[heads.index(head) :]


def end_of(path: Path) -> End:
    """Read the end of an external copy. The cost does not depend on the size of the file.

    Opens the file for writing too: a copy that this process cannot append to is of no use.

    Raises:
        Unreadable: the end of the file is damaged.
        OSError: the file does not exist, or this process may not read and write it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        return _end_of(descriptor)
    finally:
        os.close(descriptor)


def _end_of(descriptor: int) -> End:
    """Read the end of the file, back to the intent of the newest seal.

    Newer intents that are still open were written after it, so that nothing before it has to be
    read. Its own line is not parsed: it may have a thousand intents, and is read for each erasure.
    """
    size = _TAIL
    while True:
        whole = size >= os.fstat(descriptor).st_size
        lines = _tail(descriptor, size).decode("ascii", errors="replace").splitlines()
        lines = lines if whole else lines[1:]
        sealed = _newest_seal(lines)
        after = _line_after(sealed, lines)
        if whole or (after is not None and sealed != Head()):
            break
        size *= 4
    if after is None:
        raise Unreadable(0, "seals what was never written")
    intents, voids = _sort(lines[after:])
    return End(
        sealed,
        [
            _entry(0, fields)
            for digest, fields in intents.items()
            if digest not in voids and _head_of(0, fields).sequence > sealed.sequence
        ],
    )


def _newest_seal(lines: list[str]) -> Head:
    """Return the newest sealed entry, or the beginning of the chain. Seals overtake each other."""
    seals = _entries_in(line for line in lines if line.startswith('{"seal":'))
    heads = (_head_of(0, fields) for _kind, fields in seals)
    return max(heads, key=lambda head: head.sequence, default=Head())


def _line_after(sealed: Head, lines: list[str]) -> int | None:
    """Return the index of the first line that may have later intents, or None if it is not there.

    That is the line after the intent of the seal, or the same line if others follow the intent.
    """
    if sealed == Head():
        return 0
    named = f'"hash":"{sealed.hash}"'
    for index in reversed(range(len(lines))):
        line = lines[index]
        if line.startswith('{"intent') and named in line and _is_whole(line):
            return index + (line.rindex('"hash":"') == line.rindex(named))
    return None


def _sort(lines: list[str]) -> tuple[dict[str, dict[str, Any]], set[str]]:
    """Return the intents of the lines by hash, and the void ones.

    Raises:
        Unreadable: a line is damaged.
    """
    intents: dict[str, dict[str, Any]] = {}
    voids: set[str] = set()
    for kind, fields in _entries_in(lines):
        head = _head_of(0, fields)
        if kind == "intents":
            intents.pop(head.hash, None)
            intents[head.hash] = fields
            voids.discard(head.hash)
        elif kind == "void":
            voids.add(head.hash)
    return intents, voids


def _entries_in(lines: Iterable[str]) -> Iterator[_Parsed]:
    for line in lines:
        if _is_whole(line):
            yield from _parsed(0, line)


def _head_of(number: int, fields: dict[str, Any]) -> Head:
    """Return the sequence and the hash of an entry, a seal or a void.

    Raises:
        Unreadable: they are missing, or of another type.
    """
    sequence, digest = fields.get("sequence"), fields.get("hash")
    # Not isinstance: true would count as a number.
    if type(sequence) is not int or type(digest) is not str or not 0 < sequence <= _LARGEST:
        raise Unreadable(number, "is not a line of a ledger")
    return Head(sequence, digest)


def _require_end(descriptor: int, first: Head, instead_of: Sequence[Entry]) -> None:
    """Check that the external copy ends with ``first``, the newest entry of the database.

    The writer has locked the ledger, so that no other process is about to commit. Open intents
    after ``first`` are therefore interrupted erasures. Only those in ``instead_of`` may be there.
    """
    if _end_of(descriptor).following(first) != list(instead_of):
        raise IntentsOpen(f"intents after record {first.sequence} are open")


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
                    # In version 1, an erasure that is repeated on the same day after a void one has
                    # the same entry.
                    intents.pop(entry.hash, None)
                    intents[entry.hash] = entry
                    voids.discard(entry.hash)
                    continue
                head = _head_of(number, fields)
                if kind == "void":
                    # The file may lack the intent, because the disk was full. The void is then
                    # harmless.
                    voids.add(head.hash)
                elif head.hash in intents and intents[head.hash].head == head:
                    seals.add(head.hash)
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
    # RecursionError: a line may be nested more deeply than Python can read.
    except (ValueError, AttributeError, RecursionError):
        raise Unreadable(number, "is not a line of a ledger") from None
    if kind == "intent":  # Earlier versions wrote one intent per line.
        kind, said = "intents", [said]
    found = said if kind == "intents" else [said]
    if (
        kind not in _KINDS
        or not isinstance(found, list)
        or not all(isinstance(fields, dict) for fields in found)
    ):
        raise Unreadable(number, "is not a line of a ledger")
    return [(kind, fields) for fields in found]


def _entry(number: int, fields: dict[str, Any]) -> Entry:
    try:
        return Entry.read(fields)
    except ValueError as wrong:
        sequence = fields.get("sequence")
        if type(sequence) is int and 0 < sequence <= _LARGEST:
            raise BrokenChain(sequence, str(wrong)) from None
        raise Unreadable(number, str(wrong)) from None
