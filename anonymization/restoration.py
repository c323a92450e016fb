"""Compare the database with the external copy after a restore, and replay missing erasures.

Restoring a backup brings back data that was erased after the backup was made. The external copy
identifies a subject by the hash of its random identifier. The right rows are therefore found even
if primary keys were assigned again after the restore.
"""

from __future__ import annotations

import enum
import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

from anonymization import engine, redo
from anonymization.ledger import external_copy, recording, verification
from anonymization.ledger.chain import BrokenChain, Entry, Head
from anonymization.ledger.recording import Requester
from anonymization.models import Erasure, LedgerState, Note, Source
from anonymization.named import find_rows


class NoCopy(Exception):
    """There is no external copy: the setting ERASURE_LEDGER_DIR is empty."""


class WrongOwner(Exception):
    """The service account could not append to an external copy in this folder."""


class StillSet(Exception):
    """The external copy cannot be given up while ERASURE_LEDGER_DIR is set."""


class Standing(enum.Enum):
    """The state of the database compared with the external copy of its ledger."""

    EVEN = "even"
    #: Erasures were interrupted. They are carried out automatically, see ``redo``.
    UNFINISHED = "unfinished"
    #: The external copy is ahead by a seal: a backup was restored.
    BEHIND = "behind"
    #: The external copy is configured but missing: a volume is not mounted, or it was not created.
    MISSING = "missing"
    #: The external copy exists, but this process may not read and write it.
    UNWRITABLE = "unwritable"
    #: The external copy is damaged, lacks records of the database or belongs to another ledger.
    FOREIGN = "foreign"

    @property
    def advice(self) -> str:
        """Return what an administrator does about it; nothing when they are even."""
        return _ADVICE.get(self.value, "")


_ADVICE = {
    "unfinished": "Nothing is to be done unless it remains: then see the log, and docs/ledger.md.",
    "behind": "Run manage.py replay_erasures --dry-run, then replay_erasures: docs/ledger.md.",
    "missing": "Mount the volume of ERASURE_LEDGER_DIR. Only for a new installation or a lost "
    "copy, run manage.py begin_ledger_copy: docs/ledger.md.",
    "unwritable": "Let the user of the service read and write ledger.jsonl in "
    "ERASURE_LEDGER_DIR: docs/ledger.md.",
    "foreign": "Set ERASURE_LEDGER_DIR to the folder of this installation: docs/ledger.md.",
}


def standing() -> Standing:
    """Compare the newest record of the database with the end of the external copy.

    Returns ``EVEN`` if no external copy is configured. The cost does not depend on the size of the
    file, unless the two do not match: then the whole file is read.
    """
    path = external_copy.file_of()
    if path is None:
        return Standing.EVEN
    try:
        return _compare(path)
    except FileNotFoundError:
        return Standing.MISSING
    except OSError:
        return Standing.UNWRITABLE


def explain_unreadable(error: OSError, *, path: Path | None = None) -> str:
    """Return why a copy can't be read and, for that of this installation, what to do about it."""
    advice = standing().advice if path in (None, external_copy.file_of()) else ""
    return f"The external copy can't be read: {error.strerror}. {advice}".strip()


def _compare(path: Path) -> Standing:
    with suppress(external_copy.Diverged, external_copy.Unreadable, BrokenChain):
        if not external_copy.end_of(path).following(recording.head()):
            return Standing.EVEN
    # Without the lock, an erasure that is just being committed looks like an interrupted one.
    with transaction.atomic():
        recording.lock_head()
        head = recording.head()
        try:
            return (
                Standing.UNFINISHED if external_copy.end_of(path).following(head) else Standing.EVEN
            )
        except (external_copy.Diverged, external_copy.Unreadable, BrokenChain):
            return _standing_of_all(path, head)


def _standing_of_all(path: Path, head: Head) -> Standing:
    try:
        missing = external_copy.read(path).following(head)
    except (BrokenChain, external_copy.Unreadable):
        return Standing.FOREIGN
    return Standing.BEHIND if missing else Standing.FOREIGN


@dataclass(frozen=True)
class Plan:
    """The work of a replay: records to import in their order, and erasures that were begun only.

    ``unfinished`` are erasures that were begun but never committed. Only an earlier version of this
    product left them inside of the chain. ``subjects`` are the guests and sessions of both lists
    that are in the database and not anonymized, by the hash in the entry.
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
    here = verification.verify_database().entries
    contents = external_copy.read(path)
    missing = contents.following(here[-1].head if here else Head())
    for inside, copied in zip(here, contents.sealed, strict=False):
        if inside != copied:
            raise BrokenChain(inside.sequence, "differs from the external copy")
    known = {name for entry in [*here, *missing] for name in entry.subjects}
    unfinished = [e for e in contents.unsealed if not known.issuperset(e.subjects)]
    # The subjects of a note are not rows.
    erasures = [entry for entry in [*missing, *unfinished] if entry.kind not in Note]
    subjects = find_rows({name for entry in erasures for name in entry.subjects})
    unfinished = [e for e in unfinished if not subjects.keys().isdisjoint(e.subjects)]
    return Plan(missing, unfinished, contents.head.sequence, subjects)


def carry_out(
    planned: Plan,
    *,
    requester: Requester,
    within: float | None = None,
    done: Callable[[], object] = bool,
) -> bool:
    """Replay the erasures that are missing from the database; return whether everything is done.

    Imports each sealed record in its own transaction, in ledger order. Then it carries out the open
    intents, see ``redo``, and records the replay. An interrupted run can be restarted and continues
    after the last imported record. ``done`` is called after each record. No record is started later
    than ``within`` seconds after the call.

    Raises:
        ErasureRefused: another replay is running, or the external copy cannot be written.
    """
    until = None if within is None else time.monotonic() + within
    by_replay = Requester(Source.REPLAY, requester.user)
    sealed = [entry for entry in planned.missing if entry.sequence <= planned.sealed]
    for entry in sealed:
        if until is not None and time.monotonic() >= until:
            return False
        engine.replay(entry, planned.subjects_of(entry), sealed=True, requester=by_replay)
        done()
    for _entry in range(redo.carry_out()):
        done()
    for entry in planned.unfinished:
        for subject in planned.subjects_of(entry):
            engine.erase(subject, requester=by_replay, wait=True)
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

    From then on, a process without ERASURE_LEDGER_DIR refuses to erase.

    Raises:
        NoCopy: ERASURE_LEDGER_DIR is empty.
        FileExistsError: an external copy exists; it is never overwritten.
        WrongOwner: the service account could not append to the file.
        BrokenChain: the ledger in the database is invalid.
        ErasureRefused: the folder cannot be written.
    """
    path = external_copy.file_of()
    if path is None:
        raise NoCopy("No external copy of the ledger is kept: ERASURE_LEDGER_DIR is empty.")
    # Path.exists raises for a closed folder. Here the copy is then refused as not writable.
    if os.path.lexists(path):
        raise FileExistsError("There is an external copy already.")
    _require_owner(path.parent)
    with recording.erasing():
        recording.lock_head()
        here = verification.verify_database().entries
        record = recording.new_note(Note.COPY_BEGUN, requester=requester)
        recording.chain([record])
        record.save(force_insert=True)
        LedgerState.change(copy_begun_at=record.created_at)
        recording.announce(
            [record], write=lambda intents: external_copy.begin(path, entries=here, intents=intents)
        )
        return record


def end_copy(*, requester: Requester) -> Erasure:
    """Record that the external copy is given up: processes without it may erase again.

    Raises:
        NoCopy: no external copy was created.
        StillSet: ERASURE_LEDGER_DIR is set.
    """
    if external_copy.file_of() is not None:
        raise StillSet("Remove ERASURE_LEDGER_DIR first, for all processes.")
    with recording.erasing():
        if not LedgerState.copy_exists():
            raise NoCopy("No external copy of the ledger was created.")
        LedgerState.change(copy_begun_at=None)
        return recording.note(Note.COPY_ENDED, requester=requester)


def _require_owner(folder: Path) -> None:
    """Check that the service account can append to a file that root creates in the folder.

    The file gets the owner of the folder. The owner of MEDIA_ROOT tells who the service account is.

    Raises:
        WrongOwner: the folder belongs to root, and the service does not.
    """
    with suppress(OSError):  # Creating the file fails too, and tells why.
        service = os.stat(settings.MEDIA_ROOT).st_uid
        if os.geteuid() == 0 and os.stat(folder).st_uid == 0 and service != 0:
            owner = shlex.quote(str(folder))
            raise WrongOwner(
                f"The folder belongs to root, so that the service could not write to the copy. "
                f"Run: chown --reference={shlex.quote(str(settings.MEDIA_ROOT))} {owner}"
            )


def shared_folder() -> str:
    """Return the name of a folder that is restored together with the external copy, or nothing.

    A copy that is restored with the database proves nothing about the time since the backup.
    """
    folder = settings.ERASURE_LEDGER_DIR
    if folder is None:
        return ""
    others = {}
    if connection.vendor == "sqlite":
        others["the database"] = os.path.dirname(os.path.abspath(connection.settings_dict["NAME"]))
    others |= {"MEDIA_ROOT": settings.MEDIA_ROOT, "STATIC_ROOT": settings.STATIC_ROOT}
    copy = Path(os.path.realpath(folder))
    for name, other in others.items():
        path = Path(os.path.realpath(other)) if other else None
        if path and (path == copy or path in copy.parents or copy in path.parents):
            return name
    return ""
