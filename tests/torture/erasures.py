"""The shared parts of the runs about erasures: a person to erase, and the expected results."""

from __future__ import annotations

import gc
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Model

from anonymization import engine, files, restoration
from anonymization.ledger import external_copy, recording, verification
from anonymization.ledger.chain import BrokenChain, subject_of
from anonymization.models import Erasure, FileDeletion, Source
from sessions_app import calls
from sessions_app.models import Attachment, Guest, Message, Party, Session, Signal
from tests.database import digest, flush, media
from tests.factories import AttachmentFactory, SessionFactory, WebChatFactory
from webchat.models import WebChat

COMMAND = recording.Requester(Source.COMMAND)
_numbers = itertools.count(1)


@dataclass
class Somebody:
    """A guest with calls, messages, files and signals. All values contain ``token``."""

    sessions: list[Session]
    token: str
    files: set[str] = field(default_factory=set)

    @property
    def guest(self) -> Guest:
        guest = self.sessions[0].guest
        assert guest is not None
        return guest

    def subject(self, kind: str) -> Model:
        """Return the guest or their first session, read again."""
        model: Any = Guest if kind == "guest" else Session
        return model.objects.get(pk=self.guest.pk if kind == "guest" else self.sessions[0].pk)


def begin_anew() -> WebChat:
    """Empty database, files and ledger. Return a WebChat with a session of another person."""
    flush()
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        if path.is_file():
            path.unlink()
    ledger = external_copy.file_of()
    assert ledger is not None
    ledger.unlink(missing_ok=True)
    external_copy.begin(ledger, entries=[])
    webchat = WebChatFactory()
    make_somebody(webchat)
    return webchat


def make_somebody(
    webchat: WebChat, *, sessions: int = 2, files: int = 1, messages: int = 2
) -> Somebody:
    """Return a stored person with a number of sessions, and of messages and files for each."""
    token = f"torture{next(_numbers):08d}"
    person: dict[str, Any] = {"name": f"Jana {token}", "email": f"{token}@example.com"}
    person |= {"showroom": True, "messages": [f"I am {token}"] * messages}
    made = SessionFactory.create_batch(sessions, webchat=webchat, **person)
    somebody = Somebody(made, token)
    for session in made:
        calls.post_signal(session, sender=Party.VISITOR, kind="offer", body=token)
        somebody.files.update(attach(session, token) for _ in range(files))
    return somebody


def attach(session: Session, token: str) -> str:
    """Send a file. Return its stored name."""
    sent = AttachmentFactory(session=session, content=token.encode(), original_name=f"{token}.txt")
    return str(sent.file.name)


def throw_connection_away() -> None:
    """Close the connection like a dead server. The next statement opens a new one."""
    if connection.connection is not None:
        connection.connection.close()
    connection.close()
    # SQLite keeps its lock until the last statement is released. The frames of an exception may
    # refer to it.
    gc.collect()


def state_of(subject: Any, shown: set[str]) -> str:
    """Return how far the erasure of a subject is: ``untouched``, ``complete``, ``files queued``.

    Otherwise returns what is wrong. ``subject`` was loaded before, because an erasure clears its
    identifier. ``shown`` are the stored names of its files.
    """
    current: Any = type(subject)._base_manager.get(pk=subject.pk)
    records = records_of(subject)
    rows = {"session__guest": current.pk} if isinstance(current, Guest) else {"session": current.pk}
    messages, attachments, signals = (
        m.objects.filter(**rows).count() for m in (Message, Attachment, Signal)
    )
    there = {name for name in shown if default_storage.exists(name)}
    if current.anonymized_in is None:
        whole = there == shown and not records and attachments == len(shown) and signals
        return "untouched" if whole else "half done: no mark, but something is gone"
    if len(records) != 1:
        return f"half done: {len(records)} records"
    if messages or attachments or signals:
        return "half done: marked, but rows are left"
    queued = set(FileDeletion.objects.filter(erasure=records[0]).values_list("name", flat=True))
    if there - queued:
        return "half done: a file is left that is not queued"
    return "files queued" if queued else "complete"


def records_of(*subjects: Any) -> list[Erasure]:
    """Return the records that name one of these subjects, which were loaded before their erasure."""
    names = {subject_of(subject.uid) for subject in subjects}
    return [record for record in Erasure.objects.all() if not names.isdisjoint(record.subjects)]


def chain_problem() -> str:
    """Return why the ledger or its external copy is wrong, or nothing."""
    path = external_copy.file_of()
    assert path is not None
    try:
        verification.compare(verification.verify_database().entries, external_copy.read(path))
    except (BrokenChain, external_copy.Unreadable) as problem:
        return f"ledger: {problem}"
    return ""


def ledger_problem() -> str:
    """Return what is wrong with the ledger and its copy at the end of a run, or nothing."""
    if problem := chain_problem():
        return problem
    standing = restoration.standing()
    return "" if standing is restoration.Standing.EVEN else f"ledger: {standing.value}"


def finish(subject: Model) -> None:
    """Repeat an erasure until it is complete, as the requester would."""
    engine.erase(subject, requester=COMMAND)
    files.delete_pending_files()


def others(somebody: Somebody) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Return digests of all rows and files of other people, without the ledger."""
    rows = digest()
    for table in (
        "anonymization_erasure",
        "anonymization_filedeletion",
        "anonymization_filesdeleted",
        "anonymization_awaitingfiles",
    ):
        del rows[table]
    return rows, {name: content for name, content in media().items() if name not in somebody.files}


def rows_changed(before: dict[str, set[str]], somebody: Somebody, kind: str) -> str:
    """Return the rows of other people that changed, or nothing."""
    after = digest()
    sessions = 1 if kind == "session" else len(somebody.sessions)
    guests = 1 if kind == "guest" or len(somebody.sessions) == 1 else 0
    taken = {
        "sessions_app_session": sessions,
        "sessions_app_guest": guests,
        # The name has two words.
        "sessions_app_guestword": guests * 2,
        "sessions_app_message": sessions * 2,
        "sessions_app_signal": sessions,
        "sessions_app_attachment": len(somebody.files) // len(somebody.sessions) * sessions,
    }
    for table, rows in before.items():
        if len(rows - after[table]) != taken.get(table, 0):
            return f"{len(rows - after[table])} rows of {table} changed"
    return ""
