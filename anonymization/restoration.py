"""After a restored backup: does the database end where the outside copy of the ledger does, and what it lacks.

A backup brings erased people back. The outside copy knows whom by the digest of a random identifier, so that they are
found whatever numbers they and the newcomers have, and nobody else is.
"""

from __future__ import annotations

import enum
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction
from django.db.models import Model

from anonymization import engine
from anonymization.ledger import external_copy, recording, verification
from anonymization.ledger.chain import BrokenChain, Entry, subject_of
from anonymization.ledger.recording import Requester
from anonymization.models import Door, Erasure, Note
from anonymization.policy import registry


class NoCopy(Exception):
    """No outside copy is kept: ERASURE_LEDGER_DIR is empty."""


class Standing(enum.Enum):
    """How the database stands to the outside copy of its ledger."""

    EVEN = "even"
    #: The outside copy holds erasures that the database does not: a backup was restored.
    BEHIND = "behind"
    #: There is no outside copy where one should be: a volume is not mounted, or none was begun.
    MISSING = "missing"
    #: The outside copy is damaged, or is another ledger's.
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
    """Compare the database's newest record with the end of the outside copy; without a copy nothing is compared.

    Cheap while they are even; else the whole copy is read, with the ledger's head locked: an erasure that is just
    being committed has its intent outside already.
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
    """What a replay would do: records to import in their order, and erasures that were begun and never committed.

    ``subjects`` are the people and sessions among them that are here and not erased, by kind and digest.
    """

    missing: list[Entry]
    unfinished: list[Entry]
    #: The sequence up to which the outside copy knows its records as committed.
    sealed: int
    subjects: dict[tuple[str, str], Model] = field(repr=False)

    @property
    def entries(self) -> list[Entry]:
        return [*self.missing, *self.unfinished]


def plan() -> Plan:
    """Verify both copies and find out what the database lacks. Changes nothing; reads all of both.

    Raises:
        NoCopy: none is kept.
        BrokenChain, outside.Unreadable: the copies are not of one ledger, or one is damaged.
        OSError: the outside copy can't be read.
    """
    path = external_copy.file_of()
    if path is None:
        raise NoCopy("No outside copy of the ledger is kept: ERASURE_LEDGER_DIR is empty.")
    here = verification.verify_database()
    contents = external_copy.read(path)
    missing = contents.following(here[-1].head if here else engine.Head())
    for inside, copied in zip(here, contents.sealed, strict=False):
        if inside != copied:
            raise BrokenChain(inside.sequence, "differs from the outside copy")
    known = {(entry.kind, entry.subject) for entry in [*here, *missing]}
    unfinished = [e for e in contents.unsealed if (e.kind, e.subject) not in known]
    subjects = _subjects_of([*missing, *unfinished])
    unfinished = [e for e in unfinished if (e.kind, e.subject) in subjects]
    return Plan(missing, unfinished, contents.head.sequence, subjects)


def _subjects_of(entries: Iterable[Entry]) -> dict[tuple[str, str], Model]:
    """Return who of the entries is in the database and not erased: the digest of each row's identifier is compared."""
    wanted = {(entry.kind, entry.subject) for entry in entries}
    found: dict[tuple[str, str], Model] = {}
    for policy in registry:
        if not policy.mark or policy.label not in {kind for kind, _subject in wanted}:
            continue
        rows = policy.model._base_manager.filter(**{policy.mark: None}).values_list("pk", "uid")
        for pk, uid in rows.iterator(chunk_size=10_000):
            key = policy.label, subject_of(uid)
            if key in wanted:
                found[key] = policy.model._base_manager.get(pk=pk)
    return found


def carry_out(
    planned: Plan, *, requester: Requester, within: float | None = None, done: Callable[[], object] = bool
) -> bool:
    """Erase whom the database lacks to have erased, import the records as they are, and note that it was done.

    A transaction a record, in their order: killed, it goes on where it was. ``done`` is called after each. ``within``
    are seconds after which no other is begun; returns whether everything is done.

    Raises:
        ErasureRefused: another replay runs, or the outside copy can't be written.
    """
    until = None if within is None else time.monotonic() + within
    by_replay = Requester(Door.REPLAY, requester.user)
    for position, entry in enumerate(planned.entries):
        if until is not None and time.monotonic() >= until:
            return False
        subject = planned.subjects.get((entry.kind, entry.subject))
        if position < len(planned.missing):
            sealed = entry.sequence <= planned.sealed
            engine.replay(entry, subject, sealed=sealed, requester=by_replay)
        elif subject is not None:
            engine.erase(subject, requester=by_replay)
        done()
    _note_replay(requester)
    return True


def _note_replay(requester: Requester) -> None:
    """Append one record for what was replayed since the last such record, also by a run that was killed."""
    with recording.erasing():
        recording.lock_head()
        newest = Erasure.objects.order_by("-number")
        replayed = newest.filter(door=Door.REPLAY).first()
        noted = newest.filter(kind=Note.REPLAYED).exclude(door=Door.REPLAY).first()
        if replayed and (noted is None or noted.number < replayed.number):
            recording.note(Note.REPLAYED, _digest(replayed.hash), requester=requester)


def begin_copy(*, requester: Requester) -> Erasure:
    """Begin an outside copy with everything that the database holds, and record that it was begun.

    Raises:
        NoCopy: ERASURE_LEDGER_DIR is empty.
        FileExistsError: there is one; it is never overwritten.
        BrokenChain: the ledger in the database does not hold.
        ErasureRefused: the folder can't be written.
    """
    path = external_copy.file_of()
    if path is None:
        raise NoCopy("No outside copy of the ledger is kept: ERASURE_LEDGER_DIR is empty.")
    # Unlike Path.exists, it does not raise for a folder that is closed: the copy is then refused as one that can't be
    # written.
    if os.path.lexists(path):
        raise FileExistsError("There is an outside copy already.")
    with recording.erasing():
        recording.lock_head()
        here = verification.verify_database()
        record = recording.new_record(Note.COPY_BEGUN, _digest(uuid.uuid4().hex), requester)
        recording.chain([record])
        record.save(force_insert=True)
        recording.announce(
            [record], write=lambda intents: external_copy.begin(path, entries=here, intents=intents)
        )
        return record


def _digest(text: str) -> str:
    """Return what stands for the subject in a record that erases nobody."""
    return hashlib.sha256(b"mluvii-gdpr/ledger-note/1\0" + text.encode("ascii")).hexdigest()
