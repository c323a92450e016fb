"""The writers of a conversation: messages, files, take, return to queue, end, feedback, notes.

One operator has a conversation. A colleague may take it over as soon as the visitor is left alone:
the operator's account can no longer answer, or nobody has answered for ``TAKE_OVER_MINUTES``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction
from django.db.models import F, Max, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.files import queue_upload, withdraw_upload
from anonymization.models import FileDeletion
from anonymization.storage import require_storage, storing
from sessions_app.lock import LockedSession, SessionClosed, lock_writable
from sessions_app.models import (
    Attachment,
    Channel,
    LifeSign,
    Message,
    Party,
    Session,
    Status,
    random_file_name,
)

#: The permission to answer visitors.
ANSWER = "sessions_app.answer"


class AlreadyAccepted(Exception):
    """Another operator took the conversation first."""


class NotTheirs(Exception):
    """The conversation was not taken by this operator."""


class StillOpen(Exception):
    """The conversation has not ended yet."""


@transaction.atomic
def post_message(
    session: Session, *, sender: Party, text: str, author: User | None = None
) -> Message:
    """Store a message of one side. An operator's first message takes the conversation.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        AlreadyAccepted: Another operator has taken the conversation.
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
    """Store a file that one side sent. An operator's file takes a waiting conversation.

    If the database row is refused, the stored file is deleted again.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        AlreadyAccepted: Another operator has taken the conversation.
        StorageUnavailable: The file storage is not the expected one or failed. Nothing was stored.
    """
    require_storage()
    storage, name = Attachment.file.field.storage, random_file_name(None, original_name)
    # The file is first queued for deletion, and written before the row is locked, so that a slow
    # upload does not make other writers wait.
    queued = _queue_upload(session, name)
    try:
        with storing():
            stored = storage.save(name, File(upload))
        with transaction.atomic():
            locked = lock_writable(session)
            _count(
                locked,
                "attachments_count",
                accepted_by=author if sender == Party.OPERATOR else None,
            )
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
    """Queue a file of a session for deletion, under the session lock.

    A later erasure therefore sees the queued file. If the erasure was first, the upload is refused.
    """
    return queue_upload(name, subject=lock_writable(session).uid)


def _count(locked: Session, counter: str, *, accepted_by: User | None) -> None:
    """Increment a counter and, for an operator, take the conversation, in one UPDATE.

    If a transaction changes a row twice, PostgreSQL checks its foreign keys again at the COMMIT.
    The transaction would then wait for an erasure that has locked the guest and itself waits for
    this session row.
    """
    accepted = _acceptance(locked, accepted_by) if accepted_by else {}
    Session.objects.filter(pk=locked.pk).update(**{counter: F(counter) + 1}, **accepted)


@transaction.atomic
def accept_session(session: Session, *, operator: User) -> Session:
    """Take a conversation that waits, or take it over from a colleague who left the visitor alone.

    If the operator has already taken it, change nothing.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        AlreadyAccepted: Another operator has taken the conversation and looks after it.
    """
    locked = lock_writable(session)
    accepted = (
        {"operator": operator, "accepted_at": timezone.now()}
        if locked.operator_id not in (None, operator.pk) and is_left_alone(locked)
        else _acceptance(locked, operator)
    )
    for name, value in accepted.items():
        setattr(locked, name, value)
    locked.save(update_fields=list(accepted))
    if "status" not in accepted:
        locked.signals.all().delete()  # of the colleague's call
    return locked


def is_left_alone(session: Session) -> bool:
    """Return whether the operator of an open conversation no longer looks after it."""
    operator = session.operator
    if operator is None:
        return False
    if not (operator.is_active and operator.has_perm(ANSWER)):
        return True
    since = unanswered_since(session)
    return since is not None and since <= timezone.now() - timedelta(
        minutes=settings.TAKE_OVER_MINUTES
    )


def unanswered_since(session: Session) -> datetime | None:
    """Return since when the visitor has waited for the operator who has the conversation.

    The result is None if the operator has answered everything. In a chat the visitor also waits if
    the operator has not written since taking it. In a call they may be talking.
    """
    taken = session.accepted_at or session.created_at
    sent = (session.messages.order_by(), session.attachments.order_by())
    answers = [rows.filter(sender=Party.OPERATOR).aggregate(at=Max("at"))["at"] for rows in sent]
    answered = max(filter(None, answers), default=None)
    if session.channel != Channel.AV and (answered is None or answered < taken):
        return taken
    asked = Q(sender=Party.VISITOR, at__gt=answered or taken)
    questions = [rows.filter(asked).aggregate(at=Min("at"))["at"] for rows in sent]
    first = min(filter(None, questions), default=None)
    return max(first, taken) if first else None


def return_conversations(operator: User) -> None:
    """Return all conversations of an operator to the queue, each in its own savepoint."""
    sessions = Session.objects.filter(operator=operator, anonymized_in=None)
    for session in sessions.exclude(status=Status.CLOSED).order_by("pk"):
        try:
            release_session(session, operator=operator)
        except (SessionClosed, NotTheirs):
            # It ended, or a colleague took it over, since it was read.
            continue


def _acceptance(locked: Session, operator: User) -> dict[str, Any]:
    """Return the field values to store when the operator takes the conversation.

    The result is empty if the operator has already taken it.

    Raises:
        AlreadyAccepted: Another operator has taken the conversation.
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
    """Return a conversation to the queue, where any operator can take it.

    Raises:
        SessionClosed: The conversation has ended or the session was anonymized.
        NotTheirs: The operator has not taken the conversation.
    """
    locked = lock_writable(session)
    if locked.operator_id != operator.pk:
        raise NotTheirs(_("Another operator is handling this conversation."))
    locked.operator, locked.status = None, Status.WAITING
    locked.accepted_at, locked.waited = None, None
    locked.save(update_fields=["operator", "status", "accepted_at", "waited"])
    locked.signals.all().delete()
    return locked


def return_conversations_of_inactive(instance: User, created: bool, **kwargs: Any) -> None:
    """Return the conversations of an account that was deactivated: a receiver of ``post_save``."""
    if not (created or instance.is_active):
        return_conversations(instance)


@transaction.atomic
def give_feedback(session: Session, *, stars: int, text: str) -> Session:
    """Store the visitor's feedback on an ended conversation.

    The visitor can change it until the session is anonymized or consent is withdrawn.

    Raises:
        SessionClosed: The session was anonymized, or consent was withdrawn.
        StillOpen: The conversation has not ended yet.
    """
    locked = lock_writable(session, even_ended=True)
    if locked.is_open:
        raise StillOpen(_("The conversation has not ended yet."))
    locked.feedback_stars, locked.feedback_text = stars, text
    locked.save(update_fields=["feedback_stars", "feedback_text"])
    return locked


@transaction.atomic
def set_note(session: Session, *, note: str, result: str) -> Session:
    """Store the operator's note and result. This is also possible after the conversation.

    Raises:
        SessionClosed: The session was anonymized, or consent was withdrawn.
    """
    locked = lock_writable(session, even_ended=True)
    locked.note, locked.result = note, result
    locked.save(update_fields=["note", "result"])
    return locked


@transaction.atomic
def end_session(session: Session, *, by: Party) -> None:
    """End the conversation. Change nothing if it has ended or the session was anonymized."""
    try:
        locked = lock_writable(session)
    except SessionClosed:
        return
    locked.save(update_fields=end_locked(locked, by=by))


def end_locked(locked: LockedSession, *, by: Party, at: datetime | None = None) -> list[str]:
    """End an open conversation and return the names of the changed fields, for the caller to save.

    ``at`` is the time of the end, by default now. The signals of its call and its life sign are
    deleted immediately.
    """
    if not locked.is_open:
        return []
    locked.signals.all().delete()
    LifeSign.objects.filter(session=locked).delete()
    locked.status = Status.CLOSED
    locked.ended_at = at or timezone.now()
    locked.ended_by = by
    locked.duration = locked.ended_at - locked.created_at
    return ["status", "ended_at", "ended_by", "duration"]
