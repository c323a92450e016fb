"""The gate: the only way into a session. No row exists before a valid submit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_app.consent import store_evidence
from sessions_app.matching import MATCHED, match_keys
from sessions_app.models import (
    Channel,
    ConsentEvent,
    Guest,
    Session,
)
from sessions_app.ticket import Ticket, consent_key, consent_token, room_key
from webchat.models import ConsentText, EntryForm, WebChat

#: How long a used form leads into its conversation again: a double click, a reload. A form without fields holds
#: nothing by which to tell its sender from the next person at the same device.
REPEATED_WITHIN = timedelta(minutes=2)


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


def _typed(label: Any) -> Any:
    """Return a dataclass field for a value that the visitor types, with its heading for staff."""
    return field(default="", metadata={"label": label})


@dataclass(frozen=True)
class Entry:
    """What the visitor entered, as typed; ``consent`` is the one affirmative act.

    This is the only list of the fields of the entry form. ``Session`` stores each typed value in the
    column ``entered_<name>``. The rest derives from here: what a complete form has, which values tell
    a repeated submit from another person's, the personal columns of the Sessions table.
    """

    name: str = _typed(_("Name"))
    email: str = _typed(_("E-mail"))
    phone: str = _typed(_("Phone"))
    consent: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Entry:
        """Return the entry with these values, for example those of a valid form. Some may be missing."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})

    @classmethod
    def of_session(cls, session: Session) -> Entry:
        """Return what was typed when the session began."""
        return cls(**{name: getattr(session, f"entered_{name}") for name in TYPED})

    @property
    def complete(self) -> bool:
        return all(asdict(self).values())

    @property
    def typed(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in TYPED}

    @property
    def columns(self) -> dict[str, str]:
        """Return the typed values by their columns of ``Session``."""
        return {f"entered_{name}": value for name, value in self.typed.items()}


#: The fields that the visitor types, with their labels, in the order of the form.
TYPED: dict[str, Any] = {f.name: f.metadata["label"] for f in fields(Entry) if f.metadata}


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
    same = Entry.of_session(session).typed == entry.typed
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
        **entry.columns,
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
        store_evidence(session, text, ConsentEvent.Kind.GIVEN, at=now)
    return session


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
    person = {name: entry.typed[name] for name in MATCHED}
    if not any(person.values()):
        return None
    keys = match_keys(**person, region=region)
    if keys.complete:
        _lock_keys("\0".join(keys.columns.values()))
        same = Guest.objects.filter(**keys.columns, anonymized_at=None)
        guest = same.select_for_update().order_by("pk").first()
        if guest is not None:
            return guest
    return Guest.objects.create(**person, **keys.columns, created_at=now)


def _lock_keys(keys: str) -> None:
    """Let two first visits of one person wait for each other; no unique constraint may hold the keys.

    On SQLite the transaction itself excludes other writers.
    """
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(keys.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::bigint)", [number])
