"""Everything that writes to a session. Each writer of personal data locks the session and reads its state again."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization import engine
from anonymization.files import queue_upload, withdraw_upload
from anonymization.models import Door, Erasure, FileDeletion
from anonymization.storage import require_storage, storing
from sessions_app.matching import match_keys
from sessions_app.models import (
    Attachment,
    Channel,
    ConsentEvent,
    Guest,
    Message,
    Party,
    Session,
    Signal,
    Status,
    random_file_name,
)
from sessions_app.rounding import start_of
from sessions_app.ticket import Ticket, consent_key, consent_token, room_key
from webchat.models import ConsentText, EntryForm, OnWithdrawal, WebChat

logger = logging.getLogger(__name__)

#: How long a used form leads into its conversation again: a double click, a reload. A form without fields holds
#: nothing by which to tell its sender from the next person at the same device.
REPEATED_WITHIN = timedelta(minutes=2)

#: When a signal of a call is old. It goes with the next one of any call, or by cron, which runs every five minutes.
SIGNAL_MAX_AGE = timedelta(minutes=5)
#: How many signals a session holds; a newer one takes the oldest one's place. A call needs some thirty to connect.
MAX_SIGNALS = 100


class EntryRefused(Exception):
    """No session was made."""


class ConsentNotShown(EntryRefused):
    """The form that was sent did not show what is asked now: another form, or an older consent text."""


class ConsentTextChanged(ConsentNotShown):
    """The form showed a text that is not the current one; ``number`` is the version of that."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class EntryIncomplete(EntryRefused):
    """The GDPR form was sent without name, e-mail, phone or consent."""


class Unavailable(EntryRefused):
    """The GDPR form is chosen but no consent text is published in the language."""


class SessionClosed(Exception):
    """The conversation has ended or was anonymized; nothing was stored."""


class ConsentWithdrawn(SessionClosed):
    """The person has withdrawn their consent; nothing is stored with the session any more."""


class NothingToWithdraw(Exception):
    """No consent was asked in the session."""


class AlreadyAccepted(Exception):
    """Another operator took the conversation first."""


class NotTheirs(Exception):
    """The conversation is not this operator's."""


class NoCall(Exception):
    """The session is no video call."""


class StillOpen(Exception):
    """The conversation has not ended yet."""


@dataclass(frozen=True)
class Entry:
    """What the visitor entered, as typed; ``consent`` is the one affirmative act."""

    name: str = ""
    email: str = ""
    phone: str = ""
    consent: bool = False

    @property
    def complete(self) -> bool:
        return bool(self.name and self.email and self.phone and self.consent)


@dataclass(frozen=True)
class Visit:
    """What came with the submit besides the entry."""

    ip_address: str | None = None
    user_agent: str = ""
    landing_page: str = ""
    referrer: str = ""
    params: dict[str, str] = field(default_factory=dict)


def chosen_form(webchat: WebChat, channel: str) -> str:
    """Return which entry form stands before a channel."""
    return webchat.showroom_form if channel == Channel.AV else webchat.entry_form


def required_text(webchat: WebChat, *, channel: str, language: str) -> ConsentText | None:
    """Return the text that a visitor must consent to now; None where no consent is asked.

    Raises:
        Unavailable: consent is asked but there is no text to consent to: the gate fails closed.
    """
    if chosen_form(webchat, channel) != EntryForm.GDPR:
        return None
    text = webchat.current_text(language)
    if text is None:
        raise Unavailable
    return text


def start_session(webchat: WebChat, *, ticket: Ticket, entry: Entry, visit: Visit) -> Session:
    """Open a session: the gate, and the only way into one.

    Creates or finds the guest, creates session and consent event, in one transaction. The same form again, with
    the same values, returns the same session while it can be a double click or a reload, also when two submits
    arrive at once.

    Raises:
        ConsentTextChanged: the ticket's form showed another text than the current one.
        ConsentNotShown: what the ticket's form showed is not what is asked now, or the form was used before: the
            Back button on a shared device leads nobody into another person's conversation.
        EntryIncomplete: the GDPR form without all four fields.
        Unavailable: no consent text is published.
    """
    same_ticket = Session.objects.filter(entry_key=ticket.entry_key)
    if session := same_ticket.first():
        return _repeated(session, entry)
    try:
        return _create_session(webchat, ticket=ticket, entry=entry, visit=visit)
    except IntegrityError:
        # The same ticket arrived twice at once and the other submit made the session; else it is a fault.
        if session := same_ticket.first():
            return _repeated(session, entry)
        raise


def _repeated(session: Session, entry: Entry) -> Session:
    """Return the open session of a form that was sent just now with the same values."""
    entered = (session.entered_name, session.entered_email, session.entered_phone)
    same = entered == (entry.name, entry.email, entry.phone)
    if not (same and session.is_open and timezone.now() - session.created_at <= REPEATED_WITHIN):
        raise ConsentNotShown
    return session


@transaction.atomic
def _create_session(webchat: WebChat, *, ticket: Ticket, entry: Entry, visit: Visit) -> Session:
    webchat = _open_now(webchat)
    text = required_text(webchat, channel=ticket.channel, language=ticket.language)
    if not ticket.shows(text):
        # A form without a text was another form, not an older text.
        raise ConsentTextChanged(text.version.number) if text and ticket.text else ConsentNotShown
    if text is not None and not entry.complete:
        raise EntryIncomplete
    now = timezone.now()
    session = Session.objects.create(
        webchat=webchat,
        guest=_guest_for(entry, region=webchat.phone_region, now=now),
        channel=ticket.channel,
        language=ticket.language,
        created_at=now,
        entered_name=entry.name,
        entered_email=entry.email,
        entered_phone=entry.phone,
        params=visit.params,
        ip_address=visit.ip_address,
        user_agent=visit.user_agent[:500],
        landing_page=visit.landing_page[:2000],
        referrer=visit.referrer[:2000],
        entry_key=ticket.entry_key,
        room_key=room_key(ticket.room_token),
        consent_key=consent_key(consent_token(ticket.room_token)),
    )
    if text is not None:
        _store_evidence(session, text, ConsentEvent.Kind.GIVEN, at=now)
    return session


def _store_evidence(session: Session, text: ConsentText, kind: ConsentEvent.Kind, *, at: datetime) -> None:
    ConsentEvent.objects.create(
        session=session,
        text=text,
        kind=kind,
        day=timezone.localdate(start_of(settings.ERASURE_TIME_PRECISION, at, settings.TIME_ZONE)),
        channel=session.channel,
    )


def _open_now(webchat: WebChat) -> WebChat:
    """Read the WebChat again and keep its form, its texts and its archive as they are until the commit.

    The caller's copy may be older than a change of the entry form. Submits share the lock with each other; saving
    settings and publishing wait for them and are waited for.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM webchat_webchat WHERE id = %s FOR SHARE", [webchat.pk])
    current = WebChat.objects.open().filter(pk=webchat.pk).first()
    if current is None:
        raise Unavailable
    return current


def _guest_for(entry: Entry, *, region: str, now: datetime) -> Guest | None:
    """Return the guest with the same three match keys, locked, or a new one; None when nothing was entered."""
    if not (entry.name or entry.email or entry.phone):
        return None
    keys = match_keys(name=entry.name, email=entry.email, phone=entry.phone, region=region)
    if keys.complete:
        _lock_keys(f"{keys.name}\0{keys.email}\0{keys.phone}")
        same = Guest.objects.filter(
            email_key=keys.email, phone_key=keys.phone, name_key=keys.name, anonymized_at=None
        )
        guest = same.select_for_update().order_by("pk").first()
        if guest is not None:
            return guest
    return Guest.objects.create(
        name=entry.name,
        email=entry.email,
        phone=entry.phone,
        name_key=keys.name,
        email_key=keys.email,
        phone_key=keys.phone,
        created_at=now,
    )


def _lock_keys(keys: str) -> None:
    """Let two first visits of one person wait for each other; no unique constraint may hold the keys.

    On SQLite the transaction itself excludes other writers.
    """
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(keys.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [number])


def lock_writable(session: Session, *, even_ended: bool = False) -> Session:
    """Lock the session's row and return its state of now: the one way of every writer of personal data.

    In the writer's transaction, before its first statement: an erasure then either sees what was written, or was
    first and the writer is refused. ``tests/test_writers.py`` finds the writers that pass it by.

    Raises:
        SessionClosed: it was anonymized, or has ended and ``even_ended`` does not allow for that.
        ConsentWithdrawn: nothing is added any more, whatever ``even_ended`` says.
    """
    locked = Session.objects.select_for_update().get(pk=session.pk)
    if locked.anonymized_at is not None:
        raise SessionClosed(_("This session was anonymized."))
    if locked.withdrawn_at is not None:
        raise ConsentWithdrawn(_("The consent was withdrawn: nothing more is stored with this session."))
    if not (locked.is_open or even_ended):
        raise SessionClosed(_("This conversation has ended."))
    return locked


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
        raise NotTheirs(_("This conversation is not yours."))
    locked.operator, locked.status = None, Status.WAITING
    locked.accepted_at, locked.waited = None, None
    locked.save(update_fields=["operator", "status", "accepted_at", "waited"])
    locked.signals.all().delete()
    return locked


@transaction.atomic
def post_signal(
    session: Session, *, sender: Party, kind: str, body: str, author: User | None = None
) -> Signal:
    """Store what one side's browser tells the other's. What is too much goes with it.

    Raises:
        SessionClosed, NoCall
        NotTheirs: the operator has not taken the call.
    """
    locked = lock_writable(session)
    require_call(locked, operator=author)
    newest = locked.signals.order_by("-pk").values("pk")
    locked.signals.filter(pk__lte=newest[MAX_SIGNALS - 1 : MAX_SIGNALS]).delete()
    return Signal.objects.create(session=locked, sender=sender, kind=kind, body=body)


@transaction.atomic
def forget_signals(session: Session, *, sender: Party, up_to: int, reader: User | None = None) -> None:
    """Delete what one side sent up to a key: the other side is connected, and needs it no longer.

    Not what came since, such as the offer of somebody who has just switched their camera off.

    Raises:
        SessionClosed, NoCall, NotTheirs
    """
    locked = lock_writable(session)
    require_call(locked, operator=reader)
    locked.signals.filter(sender=sender, pk__lte=up_to).delete()


def require_call(session: Session, *, operator: User | None = None) -> None:
    """Refuse what belongs to an open call in another session, and to an operator who has not taken it.

    Raises:
        NoCall, SessionClosed, NotTheirs
    """
    if session.channel != Channel.AV:
        raise NoCall
    if not session.is_open or session.withdrawn_at is not None:
        raise SessionClosed(_("This conversation has ended."))
    if operator is not None and session.operator_id != operator.pk:
        raise NotTheirs(_("This conversation is not yours."))


def old_signals() -> QuerySet[Signal]:
    """Return the signals that nobody waits for any more, of all sessions."""
    return Signal.objects.filter(at__lt=timezone.now() - SIGNAL_MAX_AGE)


def delete_old_signals(*, wait: bool = False) -> int:
    """Delete the signals that nobody waits for any more, of all sessions, and return how many.

    In a transaction for each session, which it locks as every writer does: an erasure counts what it deletes.
    Sessions that somebody else holds are passed over; with ``wait`` they are waited for. Not within a transaction.
    """
    sessions = old_signals().order_by("session").values_list("session", flat=True).distinct()
    return sum(_delete_old_signals_of(session, wait=wait) for session in list(sessions))


@transaction.atomic
def _delete_old_signals_of(session: int, *, wait: bool) -> int:
    held = (
        Session.objects.select_for_update(skip_locked=not wait)
        .filter(pk=session)
        .values_list("pk", flat=True)
    )
    return old_signals().filter(session__in=list(held)).delete()[0]


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
    locked.save(update_fields=_end(locked, by=by))


def _end(locked: Session, *, by: Party) -> list[str]:
    """End an open conversation, not stored yet, and return the fields that changed. Signals of its call go at once."""
    if not locked.is_open:
        return []
    locked.signals.all().delete()
    locked.status = Status.CLOSED
    locked.ended_at = timezone.now()
    locked.ended_by = by
    locked.duration = locked.ended_at - locked.created_at
    return ["status", "ended_at", "ended_by", "duration"]


def withdraw_consent(session: Session) -> Erasure | None:
    """Take the person's consent back; where the WebChat says so, anonymize the session at once and return the record.

    Two transactions, since the withdrawal holds whatever hinders the erasure (GDPR Art. 7(3)): a session that could
    not be erased waits for the officer as the others do.

    Raises:
        As ``record_withdrawal`` says; then nothing was changed.
    """
    record_withdrawal(session)
    if session.webchat.on_withdrawal != OnWithdrawal.ANONYMIZE:
        return None
    try:
        record, _erased = engine.erase(session, requester=engine.Requester(Door.WITHDRAWAL))
    except (engine.ErasureRefused, DatabaseError):
        logger.exception(
            "session %d was not anonymized at its withdrawal and waits for the officer", session.pk
        )
        return None
    return record


@transaction.atomic
def record_withdrawal(session: Session) -> None:
    """End the conversation and store the evidence that consent was withdrawn. Nothing is added to the session after.

    Raises:
        ConsentWithdrawn: it was withdrawn before.
        NothingToWithdraw: no consent was asked.
        SessionClosed: the session was anonymized.
    """
    locked = lock_writable(session, even_ended=True)
    given = locked.consent_given
    if given is None:
        raise NothingToWithdraw
    locked.withdrawn_at = timezone.now()
    # In one UPDATE: see _count.
    locked.save(update_fields=[*_end(locked, by=Party.VISITOR), "withdrawn_at"])
    _store_evidence(locked, given.text, ConsentEvent.Kind.WITHDRAWN, at=locked.withdrawn_at)
