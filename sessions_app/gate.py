"""The gate creates every session. No row exists before the visitor submits a valid entry form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from anonymization.models import DueErasure
from sessions_app.consent import store_evidence
from sessions_app.matching import MATCHED, match_keys
from sessions_app.models import (
    Channel,
    ConsentEvent,
    Guest,
    GuestWord,
    Session,
)
from sessions_app.receipt_terms import store_terms, with_terms
from sessions_app.ticket import Ticket, consent_key, consent_token, room_key
from webchat.models import ConsentText, EntryForm, TextKind, WebChat

#: For this long after its first submit, the same form leads into the same conversation again.
#: This covers a double click and a reload. It is short because a form without fields contains
#: nothing that distinguishes its sender from the next person at the same device.
REPEATED_WITHIN = timedelta(minutes=2)
#: With ten million guests, a random Guest ID is taken once in 900 first visits.
_RETRIES = 3


class EntryRefused(Exception):
    """Base class of the reasons why no session was created."""


class ConsentNotShown(EntryRefused):
    """The submitted form showed something other than what is required now.

    It was a different form, showed an older consent text, or was used before.
    """


class TextChanged(ConsentNotShown):
    """The form showed an outdated text. ``number`` is the version that is current."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class ConsentTextChanged(TextChanged):
    """The outdated text is a consent text."""


class NoticeChanged(TextChanged):
    """The outdated text is a privacy notice."""


class EntryIncomplete(EntryRefused):
    """The GDPR form was submitted without a name, e-mail, phone or consent."""


class Unavailable(EntryRefused):
    """The entry form cannot be offered.

    The text that the form must show is not published in the language or is retired, or the WebChat
    was archived.
    """


class NotOpen(Unavailable):
    """No entry form was chosen for the channel yet, so nobody may enter."""


def _typed(label: Any) -> Any:
    """Return a dataclass field for a value that the visitor types. ``label`` is its heading."""
    return field(default="", metadata={"label": label})


@dataclass(frozen=True)
class Entry:
    """The values that the visitor entered, as typed. ``consent`` is the one affirmative act.

    This is the only list of the fields of the entry form. ``Session`` stores each typed value in
    the column ``entered_<name>``. Other code derives from this list: which values a complete form
    has, which values show that a repeated submit is from the same person, and the personal columns
    of the Sessions table.
    """

    name: str = _typed(_("Name"))
    email: str = _typed(_("E-mail"))
    phone: str = _typed(_("Phone"))
    consent: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Entry:
        """Return the entry with these values, for example of a valid form. Some may be missing."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})

    @classmethod
    def of_session(cls, session: Session) -> Entry:
        """Return the values that were typed when the session began."""
        return cls(**{name: getattr(session, f"entered_{name}") for name in TYPED})

    @property
    def complete(self) -> bool:
        return all(asdict(self).values())

    @property
    def typed(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in TYPED}

    @property
    def columns(self) -> dict[str, str]:
        """Return the typed values by their column names in ``Session``."""
        return {f"entered_{name}": value for name, value in self.typed.items()}


#: The fields that the visitor types, with their labels, in the order of the form.
TYPED: dict[str, Any] = {f.name: f.metadata["label"] for f in fields(Entry) if f.metadata}


@dataclass(frozen=True)
class Visit:
    """The data about the visit that is submitted in addition to the entry."""

    ip_address: str | None = None
    user_agent: str = ""
    landing_page: str = ""
    referrer: str = ""
    params: dict[str, str] = field(default_factory=dict)


def chosen_form(webchat: WebChat, channel: str) -> str:
    """Return the entry form that visitors of this channel must submit."""
    return webchat.showroom_form if channel == Channel.AV else webchat.entry_form


def required_text(webchat: WebChat, *, channel: str, language: str) -> ConsentText | None:
    """Return the text that the form must show now: the consent text, or the privacy notice.

    None means that the form asks for no consent, and that the WebChat never had a privacy notice.

    Raises:
        NotOpen: No entry form was chosen for the channel yet.
        Unavailable: The text is not published in the language, or is retired. The gate fails
            closed.
    """
    form = chosen_form(webchat, channel)
    if form == EntryForm.NOT_CHOSEN:
        raise NotOpen
    kind = TextKind.CONSENT if form == EntryForm.GDPR else TextKind.NOTICE
    version = webchat.current_version(kind)
    if version is None and kind == TextKind.NOTICE:
        return None
    text = version.usable_text(language) if version else None
    if text is None:
        raise Unavailable
    return text


def start_session(webchat: WebChat, *, ticket: Ticket, entry: Entry, visit: Visit) -> Session:
    """Create a session from a submitted entry form. This is the only way to create one.

    Finds or creates the guest, and creates the session and its consent event, in one transaction.
    The same form with the same values returns the same session for as long as the submit can be a
    double click or a reload (``REPEATED_WITHIN``), also when two submits arrive concurrently.

    Raises:
        ConsentTextChanged: The form showed a consent text that is no longer the current one.
        NoticeChanged: The form showed a privacy notice that is no longer the current one.
        ConsentNotShown: The form did not show what is required now, or the form was used before.
            The Back button on a shared device therefore never opens another person's conversation.
        EntryIncomplete: A value or the consent is missing from the GDPR form.
        Unavailable: The text is not published or is retired, no entry form was chosen, or the WebChat was
            archived.
    """
    same_ticket = Session.objects.filter(entry_key=ticket.entry_key)
    for _attempt in range(_RETRIES):
        if session := same_ticket.first():
            return _repeated(session, entry)
        # The attempt fails if another request with the same ticket created the session in the
        # meantime, or if another guest has the same random Guest ID. Anything else is a bug, which
        # the last attempt raises.
        with suppress(IntegrityError):
            return _create_session(webchat, ticket=ticket, entry=entry, visit=visit)
    return _create_session(webchat, ticket=ticket, entry=entry, visit=visit)


def _repeated(session: Session, entry: Entry) -> Session:
    """Return the open session of a form that was submitted just before with the same values.

    Raises:
        ConsentNotShown: The values differ, the conversation has ended, or more than
            ``REPEATED_WITHIN`` has passed.
    """
    same = Entry.of_session(session).typed == entry.typed
    if not (same and session.is_open and timezone.now() - session.created_at <= REPEATED_WITHIN):
        raise ConsentNotShown
    return session


@transaction.atomic
def _create_session(webchat: WebChat, *, ticket: Ticket, entry: Entry, visit: Visit) -> Session:
    webchat = _open_now(webchat)
    text = required_text(webchat, channel=ticket.channel, language=ticket.language)
    if not ticket.shows(text):
        raise _difference(ticket, text)
    asks = text is not None and text.version.kind == TextKind.CONSENT
    if asks and not entry.complete:
        raise EntryIncomplete
    now = timezone.now()
    session = Session.objects.create(
        webchat=webchat,
        guest=_guest_for(entry, region=webchat.phone_region, now=now),
        channel=ticket.channel,
        language=ticket.language,
        created_at=now,
        **entry.columns,
        params=visit.params,
        ip_address=visit.ip_address,
        user_agent=visit.user_agent[:500],
        landing_page=visit.landing_page[:2000],
        referrer=visit.referrer[:2000],
        entry_key=ticket.entry_key,
        room_key=room_key(ticket.room_token),
        consent_key=consent_key(consent_token(ticket.room_token)),
        receipt_terms_id=store_terms(webchat) if asks else None,
    )
    if text is not None:
        kind = ConsentEvent.Kind.GIVEN if asks else ConsentEvent.Kind.INFORMED
        store_evidence(session, text, kind, at=now)
    return session


def _difference(ticket: Ticket, text: ConsentText | None) -> ConsentNotShown:
    """Return the exception that says in what a form differed from what it must show now.

    A form that showed no text, or a text of another kind, was a different entry form. It is
    therefore not reported as an outdated text.
    """
    if text is not None and ticket.text is not None:
        kind, number = text.version.kind, text.version.number
        if ConsentText.objects.filter(pk=ticket.text, version__kind=kind).exists():
            return ConsentTextChanged(number) if kind == TextKind.CONSENT else NoticeChanged(number)
    return ConsentNotShown()


def _open_now(webchat: WebChat) -> WebChat:
    """Read the WebChat again and lock its form, texts and archive state until the commit.

    The caller's instance may have been read before the entry form was changed. On PostgreSQL
    submits share the lock with each other. Saving settings and publishing wait for running submits,
    and submits wait for them.

    Raises:
        Unavailable: The WebChat was archived.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM webchat_webchat WHERE id = %s FOR SHARE", [webchat.pk])
    current = with_terms(WebChat.objects.open()).filter(pk=webchat.pk).first()
    if current is None:
        raise Unavailable
    return current


def _guest_for(entry: Entry, *, region: str, now: datetime) -> Guest | None:
    """Return the guest with the same three match keys, locked, or a new guest.

    Returns None if the visitor entered nothing.
    """
    person = {name: entry.typed[name] for name in MATCHED}
    if not any(person.values()):
        return None
    keys = match_keys(**person, region=region)
    if keys.complete:
        _lock_keys("\0".join(keys.columns.values()))
        # A person whose erasure waits for a legal hold counts as erased.
        same = Guest.objects.filter(**keys.columns, anonymized_in=None).exclude(
            uid__in=DueErasure.objects.values("subject")
        )
        guest = same.select_for_update().order_by("created_at", "pk").first()
        if guest is not None:
            return guest
    guest = Guest.objects.create(**person, **keys.columns, created_at=now)
    GuestWord.objects.bulk_create(GuestWord.of(guest))
    return guest


def _lock_keys(keys: str) -> None:
    """Serialize concurrent first visits of the same person, so that only one guest is created.

    A unique constraint over the keys is not an option: see ``Guest``. On SQLite the transaction
    itself excludes other writers.
    """
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(keys.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [number])
