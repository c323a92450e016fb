"""Writing to a conversation: messages, files, taking, returning, ending, feedback, notes."""

from __future__ import annotations

from typing import IO, Any

from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import queue_upload, withdraw_upload
from anonymization.models import FileDeletion
from anonymization.storage import require_storage, storing
from sessions_app.lock import LockedSession, SessionClosed, lock_writable
from sessions_app.models import (
    Attachment,
    Message,
    Party,
    Session,
    Status,
    random_file_name,
)


class AlreadyAccepted(Exception):
    """Another operator took the conversation first."""


class NotTheirs(Exception):
    """The conversation is not this operator's."""


class StillOpen(Exception):
    """The conversation has not ended yet."""


@transaction.atomic
def post_message(session: Session, *, sender: Party, text: str, author: User | None = None) -> Message:
    """Store what one side said. An operator's first message accepts the conversation.

    Raises:
        SessionClosed, AlreadyAccepted
    """
    locked = lock_writable(session)
    counter = "messages_operator" if sender == Party.OPERATOR else "messages_visitor"
    _count(locked, counter, accepted_by=author if sender == Party.OPERATOR else None)
    return Message.objects.create(session=locked, sender=sender, author=author, text=text)


def attach_file(
    session: Session,
    *,
    sender: Party,
    upload: IO[bytes] | File,
    original_name: str,
    content_type: str,
    size: int,
    author: User | None = None,
) -> Attachment:
    """Store a file that one side sent. The stored object is deleted again when its row is refused.

    Raises:
        SessionClosed, AlreadyAccepted
        StorageUnavailable: the storage is not the right one or failed; nothing was stored.
    """
    require_storage()
    storage, name = Attachment.file.field.storage, random_file_name(None, original_name)
    # Queued for deletion first, and written before the row is locked, so that a slow upload keeps nobody waiting.
    queued = _queue_upload(session, name)
    try:
        with storing():
            stored = storage.save(name, File(upload))
        with transaction.atomic():
            locked = lock_writable(session)
            _count(locked, "attachments_count", accepted_by=author if sender == Party.OPERATOR else None)
            attachment = Attachment.objects.create(
                session=locked,
                sender=sender,
                author=author,
                file=stored,
                original_name=original_name,
                content_type=content_type,
                size=size,
            )
            queued.delete()
    except BaseException:
        withdraw_upload(name)
        raise
    return attachment


@transaction.atomic
def _queue_upload(session: Session, name: str) -> FileDeletion:
    """Queue a file of a session under its lock, so that an erasure either sees it or was first and refuses it."""
    return queue_upload(name, subject=lock_writable(session).uid)


def _count(locked: Session, counter: str, *, accepted_by: User | None) -> None:
    """Count what was added; an operator who adds it takes the conversation.

    In one UPDATE: when a transaction changes a row twice, PostgreSQL checks its foreign keys again at the COMMIT, and
    would wait for an erasure that holds the guest and waits for this row.
    """
    accepted = _acceptance(locked, accepted_by) if accepted_by else {}
    Session.objects.filter(pk=locked.pk).update(**{counter: F(counter) + 1}, **accepted)


@transaction.atomic
def accept_session(session: Session, *, operator: User) -> Session:
    """Let an operator take a waiting conversation; taking one's own again changes nothing.

    Raises:
        SessionClosed, AlreadyAccepted
    """
    locked = lock_writable(session)
    accepted = _acceptance(locked, operator)
    for name, value in accepted.items():
        setattr(locked, name, value)
    locked.save(update_fields=list(accepted))
    return locked


def _acceptance(locked: Session, operator: User) -> dict[str, Any]:
    """Return what changes when an operator takes the conversation; nothing when it is theirs.

    Raises:
        AlreadyAccepted
    """
    if locked.operator_id == operator.pk:
        return {}
    if locked.operator_id is not None:
        raise AlreadyAccepted(_("Another operator has taken this conversation."))
    now = timezone.now()
    return {
        "operator": operator,
        "status": Status.ACTIVE,
        "accepted_at": now,
        "waited": now - locked.created_at,
    }


@transaction.atomic
def release_session(session: Session, *, operator: User) -> Session:
    """Let the operator who took a conversation hand it back: it waits again, for anybody.

    Raises:
        SessionClosed, NotTheirs
    """
    locked = lock_writable(session)
    if locked.operator_id != operator.pk:
        raise NotTheirs(_("Another operator is handling this conversation."))
    locked.operator, locked.status = None, Status.WAITING
    locked.accepted_at, locked.waited = None, None
    locked.save(update_fields=["operator", "status", "accepted_at", "waited"])
    locked.signals.all().delete()
    return locked


@transaction.atomic
def give_feedback(session: Session, *, stars: int, text: str) -> Session:
    """Store what the visitor thinks of an ended conversation; it can be changed until an anonymization.

    Raises:
        SessionClosed: the session was anonymized, or the consent withdrawn.
        StillOpen
    """
    locked = lock_writable(session, even_ended=True)
    if locked.is_open:
        raise StillOpen(_("The conversation has not ended yet."))
    locked.feedback_stars, locked.feedback_text = stars, text
    locked.save(update_fields=["feedback_stars", "feedback_text"])
    return locked


@transaction.atomic
def set_note(session: Session, *, note: str, result: str) -> Session:
    """Store the operator's note and result, also after the conversation.

    Raises:
        SessionClosed: the session was anonymized.
    """
    locked = lock_writable(session, even_ended=True)
    locked.note, locked.result = note, result
    locked.save(update_fields=["note", "result"])
    return locked


@transaction.atomic
def end_session(session: Session, *, by: Party) -> None:
    """End the conversation; ending it twice changes nothing, nor does ending what was anonymized."""
    try:
        locked = lock_writable(session)
    except SessionClosed:
        return
    locked.save(update_fields=end_locked(locked, by=by))


def end_locked(locked: LockedSession, *, by: Party) -> list[str]:
    """End an open conversation and return the names of the changed fields, which the caller saves.

    The signals of its call are deleted immediately.
    """
    if not locked.is_open:
        return []
    locked.signals.all().delete()
    locked.status = Status.CLOSED
    locked.ended_at = timezone.now()
    locked.ended_by = by
    locked.duration = locked.ended_at - locked.created_at
    return ["status", "ended_at", "ended_by", "duration"]
