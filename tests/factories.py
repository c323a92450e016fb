"""Objects for tests, made by the product's own services wherever there is one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from anonymization.ledger import GENESIS
from anonymization.models import ASKED_BY_DOOR, Door, Erasure
from sessions_app import services, ticket
from sessions_app.models import Attachment, Channel, Party, Session
from webchat.consent_html import DraftText
from webchat.models import ConsentVersion, EntryForm, WebChat
from webchat.services import publish_consent

_numbers = itertools.count(1)


def make_webchat(*, published: bool = True, **fields: Any) -> WebChat:
    """Return a stored WebChat in English and Czech with the GDPR form before both channels."""
    defaults: dict[str, Any] = {
        "name": f"Shop {next(_numbers)}",
        "languages": ["en", "cs"],
        "entry_form": EntryForm.GDPR,
        "showroom_form": EntryForm.GDPR,
    }
    webchat = WebChat.objects.create(**defaults | fields)
    if published:
        publish(webchat)
    return webchat


def publish(webchat: WebChat, wording: str = "We process your data to answer you.") -> ConsentVersion:
    """Publish the wording as the next version, in every language of the WebChat."""
    current = webchat.current_version()
    texts = {
        language: DraftText(label=f"I agree ({language})", body=f"<p>{wording} ({language})</p>")
        for language in webchat.languages
    }
    number = current.number if current else 0
    return publish_consent(webchat, texts=texts, based_on=number, published_by=None)


def make_ticket(webchat: WebChat, *, channel: str = Channel.CHAT, language: str = "en") -> str:
    """Return the ticket of a form that was shown just now."""
    text = services.required_text(webchat, channel=channel, language=language)
    return ticket.issue(webchat, channel=channel, language=language, text=text)


def make_session(
    webchat: WebChat | None = None,
    *,
    name: str = "Jana Nováková",
    email: str = "jana@example.com",
    phone: str = "603 123 456",
    channel: str = Channel.CHAT,
    language: str = "en",
    visit: services.Visit | None = None,
) -> Session:
    """Return a session that went through the gate; the same person gives the same guest."""
    webchat = webchat or make_webchat()
    signed = make_ticket(webchat, channel=channel, language=language)
    return services.start_session(
        webchat,
        ticket=ticket.read(signed, webchat=webchat, channel=channel),
        entry=services.Entry(name=name, email=email, phone=phone, consent=True),
        visit=visit or services.Visit(ip_address="203.0.113.7", user_agent="Mozilla/5.0"),
    )


def send_file(session: Session, content: bytes = b"x", *, name: str = "x.txt") -> Attachment:
    """Let the visitor send a text file, and return its row."""
    return services.attach_file(
        session,
        sender=Party.VISITOR,
        upload=ContentFile(content),
        original_name=name,
        content_type="text/plain",
        size=len(content),
    )


def make_erasures(rows: Iterable[tuple[datetime, str]]) -> list[Erasure]:
    """Return stored, chained records of sessions that nobody has, by their times and doors."""
    erasures: list[Erasure] = []
    for number, (moment, door) in enumerate(rows, 1):
        erasure = Erasure(
            number=number, kind="sessions_app.Session", subject=f"{number:064x}", day=timezone.localdate(moment),
            requester=ASKED_BY_DOOR[Door(door)], previous=erasures[-1].hash if erasures else GENESIS,
            created_at=moment, door=door, counts={},
        )  # fmt: skip
        erasure.hash = erasure.entry.hash
        erasures.append(erasure)
    return Erasure.objects.bulk_create(erasures)
