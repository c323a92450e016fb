"""Complete erasures that were interrupted between their intent and the commit.

The external copy of the ledger is a redo log. An open intent that directly follows the newest
record of the database is an erasure that the database lacks: the process died, the commit was lost,
or a backup was restored. It is carried out when a process starts and before the next erasure.

The entry is chained as it is. Its clear facts are gone with the process. A row under a legal hold
is not erased: the intent then becomes void, and the other rows of it are erased with a new record.
The erasure of the held row is stored as due.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from anonymization import engine, held
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import BrokenChain, Entry
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, Ground, LedgerState, Note, Source
from anonymization.named import find_rows

logger = logging.getLogger(__name__)

_BY_REDO = Requester(Source.REDO)
#: The ground of an interrupted erasure is gone with the process.
_DUE = Requester(Source.REDO, ground=Ground.OTHER)
#: The notes that change nothing besides the ledger.
_NOTES_ALONE = {
    Note.COPY_BEGUN,
    Note.REPLAYED,
    Note.REDO,
    Note.EVIDENCE_ANCHORED,
    Note.EVIDENCE_KEY_LOST,
}
#: Several processes may start together. Each of them tries until no intent is open.
_ATTEMPTS = 10


def carry_out() -> int:
    """Carry out the open intents that follow the newest record; return their number.

    Without an open intent, the cost is reading the end of the external copy.

    Raises:
        ErasureRefused: an erasure was refused, or the external copy cannot be written; nothing was
            changed.
    """
    for _attempt in range(_ATTEMPTS):
        entries = open_intents()
        if not entries:
            return 0
        try:
            _redo(entries)
        except engine.Overtaken:
            continue
        logger.warning("completed interrupted erasures: %d", len(entries))
        return len(entries)
    return 0


def open_intents() -> list[Entry]:
    """Return the open intents that follow the newest record of the database.

    Returns nothing if the external copy is missing, damaged, foreign or ahead by a seal: another
    function reports that.
    """
    path = external_copy.file_of()
    if path is None:
        return []
    try:
        if not external_copy.end_of(path).still_open:
            return []
        # Wait for a process that is just committing its intents.
        with transaction.atomic():
            return _open_intents_locked(path)
    except (OSError, external_copy.Unreadable, external_copy.Diverged, BrokenChain):
        return []


def _open_intents_locked(path: Path) -> list[Entry]:
    recording.lock_head()
    return external_copy.end_of(path).following(recording.head())


@dataclass
class _Redo:
    """The records of one run, which is one transaction.

    From the first entry that cannot be carried out on, all entries become void, because the chain
    cannot skip one. ``new_records`` are the new records of their rows.
    """

    rows: Mapping[str, Model]
    any_held: bool
    redone: list[Erasure] = field(default_factory=list)
    new_records: list[Erasure] = field(default_factory=list)
    void: list[Entry] = field(default_factory=list)

    def carry_out(self, entry: Entry) -> None:
        """Erase the rows that an entry names, except those under a hold."""
        names = [name for name in entry.subjects if name in self.rows]
        free = [name for name in names if not (self.any_held and held.any_held([name]))]
        record = engine.erase_named(entry, [self.rows[n] for n in free], requester=_BY_REDO)
        if self.void or free != names or not _can_be_redone(entry):
            self.void.append(entry)
            for name in set(names).difference(record.subjects) if free != names else ():
                held.postpone(self.rows[name], _DUE)
            if record.rows:
                record.requester, record.ground = entry.requester, ""
                self.new_records.append(record)
        else:
            record.take(entry)
            self.redone.append(record)

    def save(self) -> None:
        """Store the records of the entries as they are, then the new records and a note."""
        for record in self.redone:
            record.save(force_insert=True)
        if any(record.kind == Note.COPY_BEGUN for record in self.redone):
            LedgerState.change(copy_begun_at=timezone.now())
        digests = [recording.note_digest(record.hash) for record in self.redone]
        note = recording.new_note(Note.REDO, requester=_BY_REDO, subjects=digests)
        note.counts = {
            "redone": len(self.redone),
            "void": len(self.void),
            "new": len(self.new_records),
        }
        new = [*self.new_records, note]
        recording.chain(new)
        for record in new:
            record.save(force_insert=True)
        self._announce(new)

    def _announce(self, new: list[Erasure]) -> None:
        redone = self.redone
        if redone:
            transaction.on_commit(
                lambda: recording.seal_after_commit(redone, seal=False), robust=True
            )
        # On failure the intents stay open, like those before them, and are redone together.
        recording.announce(
            new,
            write=lambda intents: external_copy.write_intents(intents, instead_of=self.void),
            void_on_failure=False,
        )


def _can_be_redone(entry: Entry) -> bool:
    """Return whether the record of an entry is still true.

    The change that most notes are about was rolled back with them.
    """
    return entry.kind not in Note or entry.kind in _NOTES_ALONE


def _redo(entries: list[Entry]) -> None:
    """Carry out these open intents in one transaction, in their order.

    Raises:
        Overtaken: in the meantime, another process has settled one of them; nothing was changed.
    """
    names = {name for entry in entries if entry.kind not in Note for name in entry.subjects}
    rows = find_rows(names)
    path = external_copy.file_of()
    with recording.erasing(redo=False):
        engine.lock_rows(rows.values())
        redo = _Redo(rows, any_held=held.any_held(names))
        for entry in entries:
            redo.carry_out(entry)
        # Rows are locked before the ledger, as by all writers. Only now it is certain what is open.
        if path is None or _open_intents_locked(path) != entries:
            raise engine.Overtaken
        redo.save()
