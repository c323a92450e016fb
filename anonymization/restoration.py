"""Compare the database with the external copy after a restore, and replay missing erasures.

Restoring a backup brings back data that was erased after the backup was made. The external copy
identifies a subject by the hash of its random identifier. The right rows are therefore found even
if primary keys were assigned again after the restore.
"""

from __future__ import annotations

import enum
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction
from django.db.models import Model

from anonymization import engine
from anonymization.ledger import external_copy, recording, verification
from anonymization.ledger.chain import BrokenChain, Entry, subject_of
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, Note, Source
from anonymization.policy import registry


class NoCopy(Exception):
    """There is no external copy: the setting ERASURE_LEDGER_DIR is empty."""


class Standing(enum.Enum):
    """The state of the database compared with the external copy of its ledger."""

    EVEN = "even"
    #: The external copy has erasures that the database lacks, because a backup was restored.
    BEHIND = "behind"
    #: The external copy is configured but missing: a volume is not mounted, or it was not created.
    MISSING = "missing"
    #: The external copy is damaged or belongs to another ledger.
    FOREIGN = "foreign"

    @property
    def advice(self) -> str:
        """Return what an administrator does about it; nothing when they are even."""
        return _ADVICE.get(self.value, "")


_ADVICE = {
    "behind": "Run manage.py replay_erasures --dry-run, then replay_erasures: docs/ledger.md.",
    "missing": "Mount the volume of ERASURE_LEDGER_DIR and let the user of the service read it. Only for a new "
    "installation or a lost copy, run manage.py begin_ledger_copy: docs/ledger.md.",
    "foreign": "Set ERASURE_LEDGER_DIR to the folder of this installation: docs/ledger.md.",
}


def standing() -> Standing:
    """Compare the newest record of the database with the end of the external copy.

    Returns ``EVEN`` if no external copy is configured. While both are even, the cost does not
    depend on the size of the file. Otherwise the whole file is read while the ledger is locked: an
    erasure that is just being committed already has its intent in the external copy.
    """
    path = external_copy.file_of()
    if path is None:
        return Standing.EVEN
    try:
        return Standing.EVEN if external_copy.ends_with(path, recording.head()) else _compare(path)
    except OSError:
        return Standing.MISSING


@transaction.atomic
def _compare(path: Path) -> Standing:
    recording.lock_head()
    try:
        missing = external_copy.read(path).following(recording.head())
    except (BrokenChain, external_copy.Unreadable):
        return Standing.FOREIGN
    return Standing.BEHIND if missing else Standing.EVEN


@dataclass(frozen=True)
class Plan:
    """The work of a replay: records to import in their order, and erasures that were begun only.

    ``unfinished`` are erasures that were begun but never committed. ``subjects`` are the guests and
    sessions of both lists that are in the database and not anonymized, by the hash in the entry.
    """

    missing: list[Entry]
    unfinished: list[Entry]
    #: The sequence of the newest record that is sealed in the external copy.
    sealed: int
    subjects: dict[str, Model] = field(repr=False)

    @property
    def entries(self) -> list[Entry]:
        return [*self.missing, *self.unfinished]

    def subjects_of(self, entry: Entry) -> list[Model]:
        return [self.subjects[name] for name in entry.subjects if name in self.subjects]


def plan() -> Plan:
    """Verify the database and the external copy, and return what the database lacks.

    Changes nothing. Reads both completely.

    Raises:
        NoCopy: no external copy is configured.
        BrokenChain: the database and the external copy are different ledgers, or one is damaged.
        external_copy.Unreadable: a line of the external copy is damaged.
        OSError: the external copy cannot be read.
    """
    path = external_copy.file_of()
    if path is None:
        raise NoCopy("No external copy of the ledger is kept: ERASURE_LEDGER_DIR is empty.")
    here = verification.verify_database()
    contents = external_copy.read(path)
    missing = contents.following(here[-1].head if here else engine.Head())
    for inside, copied in zip(here, contents.sealed, strict=False):
        if inside != copied:
            raise BrokenChain(inside.sequence, "differs from the external copy")
    known = {name for entry in [*here, *missing] for name in entry.subjects}
    unfinished = [e for e in contents.unsealed if not known.issuperset(e.subjects)]
    subjects = _subjects_of([*missing, *unfinished])
    unfinished = [e for e in unfinished if not subjects.keys().isdisjoint(e.subjects)]
    return Plan(missing, unfinished, contents.head.sequence, subjects)


def _subjects_of(entries: Iterable[Entry]) -> dict[str, Model]:
    """Return the subjects of the entries that are in the database and not anonymized.

    Compares the hash of the identifier of each row.
    """
    wanted = {name for entry in entries for name in entry.subjects}
    found: dict[str, Model] = {}
    for policy in registry:
        if not policy.mark or not wanted:
            continue
        rows = policy.model._base_manager.filter(**{policy.mark: None}).values_list("pk", "uid")
        for pk, uid in rows.iterator(chunk_size=10_000):
            if (name := subject_of(uid)) in wanted:
                found[name] = policy.model._base_manager.get(pk=pk)
    return found


def carry_out(
    planned: Plan,
    *,
    requester: Requester,
    within: float | None = None,
    done: Callable[[], object] = bool,
) -> bool:
    """Replay the erasures that are missing from the database; return whether everything is done.

    Imports each record in its own transaction, in ledger order, and then records the replay. An
    interrupted run can be restarted and continues after the last imported record. ``done`` is
    called after each record. No record is started later than ``within`` seconds after the call.

    Raises:
        ErasureRefused: another replay is running, or the external copy cannot be written.
    """
    until = None if within is None else time.monotonic() + within
    by_replay = Requester(Source.REPLAY, requester.user)
    for position, entry in enumerate(planned.entries):
        if until is not None and time.monotonic() >= until:
            return False
        subjects = planned.subjects_of(entry)
        if position < len(planned.missing):
            sealed = entry.sequence <= planned.sealed
            engine.replay(entry, subjects, sealed=sealed, requester=by_replay)
        else:
            for subject in subjects:
                engine.erase(subject, requester=by_replay)
        done()
    _note_replay(requester)
    return True


def _note_replay(requester: Requester) -> None:
    """Append one record about the erasures that were replayed since the last such record.

    This includes erasures of a replay that was interrupted.
    """
    with recording.erasing():
        recording.lock_head()
        newest = Erasure.objects.order_by("-number")
        replayed = newest.filter(door=Source.REPLAY).first()
        noted = newest.filter(kind=Note.REPLAYED).exclude(door=Source.REPLAY).first()
        if replayed and (noted is None or noted.number < replayed.number):
            digest = recording.note_digest(replayed.hash)
            recording.note(Note.REPLAYED, subjects=[digest], requester=requester)


def begin_copy(*, requester: Requester) -> Erasure:
    """Create an external copy with all records of the database, and record that it was created.

    Raises:
        NoCopy: ERASURE_LEDGER_DIR is empty.
        FileExistsError: an external copy exists; it is never overwritten.
        BrokenChain: the ledger in the database is invalid.
        ErasureRefused: the folder cannot be written.
    """
    path = external_copy.file_of()
    if path is None:
        raise NoCopy("No external copy of the ledger is kept: ERASURE_LEDGER_DIR is empty.")
    # Path.exists raises for a closed folder. Here the copy is then refused as not writable.
    if os.path.lexists(path):
        raise FileExistsError("There is an external copy already.")
    with recording.erasing():
        recording.lock_head()
        here = verification.verify_database()
        record = recording.new_note(Note.COPY_BEGUN, requester=requester)
        recording.chain([record])
        record.save(force_insert=True)
        recording.announce(
            [record], write=lambda intents: external_copy.begin(path, entries=here, intents=intents)
        )
        return record
