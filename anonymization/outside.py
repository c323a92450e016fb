"""The outside copy of the ledger: JSON lines in a folder of another volume, appended and never changed.

An erasure writes its *intent* before the database commits and its *seal* after it; when it knows that the database
rolled back, it writes *void* instead. A process that dies in between leaves an intent alone: whether the database
committed is then known to the database only, and on the day of a restore such an intent counts as an erasure.

The file is begun on purpose (``begin_ledger_copy``) and never by the way: a volume that is not mounted is an empty
folder as well.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from anonymization.ledger import BrokenChain, Entry, Head, verify

FILE = "ledger.jsonl"
_KINDS = {"intent", "seal", "void"}
#: Bytes at the end of the file in which the newest seal is looked for. Seals overtake each other by a few lines.
_TAIL = 256 * 1024


class Unreadable(Exception):
    """A line of the outside copy is none of ours; ``line`` is its number."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


class Diverged(Exception):
    """The outside copy does not end where the database does: it is ahead of a restored one, or another's."""


@dataclass(frozen=True)
class Contents:
    """What an outside copy holds.

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
                raise BrokenChain(head.sequence, "is missing in the outside copy")
            return self._continuing(head)
        if head.sequence and self.sealed[head.sequence - 1].head != head:
            raise BrokenChain(head.sequence, "differs from the outside copy")
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
    """Return the file of this installation's outside copy; None where none is kept."""
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
                file.write(_line(_intent(entry)) + _line(_seal(entry)))
            file.writelines(_line(_intent(entry)) for entry in intents)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(written, 0o640)
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
    _append([_intent(entry) for entry in entries], after=Head(entries[0].sequence - 1, entries[0].previous))


def write_seals(entries: Iterable[Entry]) -> None:
    """Append that the database has committed the entries."""
    _append([_seal(entry) for entry in entries])


def write_voids(entries: Iterable[Entry]) -> None:
    """Append that the database has rolled the entries back."""
    _append([{"void": {"sequence": entry.sequence, "hash": entry.hash}} for entry in entries])


def _intent(entry: Entry) -> dict[str, Any]:
    return {"intent": entry.as_fields()}


def _seal(entry: Entry) -> dict[str, Any]:
    return {"seal": {"sequence": entry.sequence, "hash": entry.hash}}


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"


def _append(lines: list[dict[str, Any]], *, after: Head | None = None) -> None:
    path = file_of()
    if path is None or not lines:
        return
    with _locked(path) as descriptor:
        tail = _tail(descriptor)
        if after is not None:
            _require_end(tail, after)
        # What a full disk cut short stays alone on its line.
        text = "" if not tail or tail.endswith(b"\n") else "\n"
        text += "".join(map(_line, lines))
        _write(descriptor, text.encode("ascii"))


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
    os.fsync(descriptor)


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL, max(0, size - _TAIL))


def _lines(tail: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and fields of the lines at the end of the file; what is damaged is found by ``read``."""
    found = []
    for line in tail.decode("ascii", errors="replace").splitlines():
        with suppress(Unreadable):
            kind, fields = _parsed(0, line)
            if isinstance(fields.get("sequence"), int) and isinstance(fields.get("hash"), str):
                found.append((kind, fields))
    return found


def _newest_seal(lines: list[tuple[str, dict[str, Any]]]) -> Head:
    seals = [Head(fields["sequence"], fields["hash"]) for kind, fields in lines if kind == "seal"]
    return max(seals, key=lambda head: head.sequence, default=Head())


def _require_end(tail: bytes, head: Head) -> None:
    """Refuse unless the newest seal is at or before the head that the database has."""
    newest = _newest_seal(_lines(tail))
    if newest.sequence > head.sequence or (newest.sequence == head.sequence and newest != head):
        raise Diverged(f"sealed up to record {newest.sequence}, but the database ends with {head.sequence}")


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
        lines = _lines(_tail(descriptor))
    finally:
        os.close(descriptor)
    settled = {fields["hash"] for kind, fields in lines if kind != "intent"}
    intents = [fields for kind, fields in lines if kind == "intent"]
    still_open = [i for i in intents if i["sequence"] > head.sequence and i["hash"] not in settled]
    return _newest_seal(lines) == head and not still_open


def read(path: Path) -> Contents:
    """Read an outside copy and check that its sealed entries form a chain.

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
            kind, fields = _parsed(number, line)
            if kind == "intent":
                entry = _entry(number, fields)
                # Tried again after a void one on the same day, it is the same entry.
                intents.pop(entry.hash, None)
                intents[entry.hash] = entry
                voids.discard(entry.hash)
            elif fields.get("hash") not in intents:
                raise Unreadable(number, "settles what was never written")
            else:
                (seals if kind == "seal" else voids).add(fields["hash"])
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
    verify(chain)
    if strange := seals - {entry.hash for entry in chain}:
        first = min(intents[seal].sequence for seal in strange)
        raise BrokenChain(first, "is sealed twice, each time another")
    return chain


def _is_whole(line: str) -> bool:
    """Say whether a line was written to its end. A full disk may cut one short; what it was to say did not happen."""
    return not line.startswith("{") or line.rstrip("\n").endswith("}}")


def _parsed(number: int, line: str) -> tuple[str, dict[str, Any]]:
    try:
        ((kind, fields),) = json.loads(line).items()
    except (ValueError, AttributeError):
        raise Unreadable(number, "is no line of a ledger") from None
    if kind not in _KINDS or not isinstance(fields, dict):
        raise Unreadable(number, "is no line of a ledger")
    return kind, fields


def _entry(number: int, fields: dict[str, Any]) -> Entry:
    try:
        return Entry.read(fields)
    except ValueError as wrong:
        sequence = fields.get("sequence")
        raise BrokenChain(sequence if isinstance(sequence, int) else number, str(wrong)) from None
