"""Plant test values for verify_erasure: a guest with a value in every field that can be written."""

from __future__ import annotations

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from anonymization.canary.planters import planter_of
from anonymization.canary.values import Canaries
from sessions_app import conversation, gate, ticket
from sessions_app.models import Channel, Guest, LifeSign, Party, Session, Signal
from webchat.models import EntryForm, WebChat
from webchat.services import archive, restore

#: The WebChat of the verifier's guests. It is created in the first run and is kept, archived,
#: because anonymized sessions refer to it.
PUBLIC_ID = "verify-erasure"


@planter_of(Guest)
@transaction.atomic
def let_in(canaries: Canaries) -> Guest:
    """Create a guest with the standard form, a conversation and its end, and return the guest.

    No consent is given, so that no false evidence of consent is stored. Everything is one
    transaction. When it is committed, the WebChat is archived again and the conversation has ended,
    so no visitor can enter and no operator is notified. If the process dies before the erasure, the
    retention period of one day applies.
    """
    webchat, _made = WebChat.objects.get_or_create(
        public_id=PUBLIC_ID,
        defaults={
            "name": "verify_erasure",
            "entry_form": EntryForm.STANDARD,
            "retention_days": 1,
            "archived_at": timezone.now(),
        },
    )
    restore(webchat)
    session = _enter(webchat, canaries)
    _talk(session, canaries)
    conversation.end_session(session, by=Party.SYSTEM)
    _signal(session, canaries)
    conversation.give_feedback(session, stars=5, text=canaries.text("feedback"))
    archive(webchat)
    guest = session.guest
    assert guest is not None  # noqa: S101  the form was filled in
    return guest


def _enter(webchat: WebChat, canaries: Canaries) -> Session:
    made = {"email": canaries.email, "phone": canaries.phone}
    signed = ticket.issue(webchat, channel=Channel.CHAT, language="en", text=None)
    return gate.start_session(
        webchat,
        ticket=ticket.read(signed, webchat=webchat, channel=Channel.CHAT),
        entry=gate.Entry.of(
            {name: made.get(name, canaries.text)(f"entered {name}") for name in gate.TYPED}
        ),
        visit=gate.Visit(
            ip_address=canaries.address("visitor's address"),
            user_agent=canaries.text("browser"),
            landing_page=f"https://www.example.com/{canaries.text('landing page')}",
            referrer=f"https://www.example.com/{canaries.text('referrer')}",
            params={canaries.text("parameter's name"): canaries.text("parameter")},
        ),
    )


def _talk(session: Session, canaries: Canaries) -> None:
    for sender in (Party.VISITOR, Party.OPERATOR):
        conversation.post_message(
            session, sender=sender, text=canaries.text(f"message of the {sender}")
        )
        content = canaries.text(f"file of the {sender}").encode()
        conversation.attach_file(
            session,
            sender=sender,
            upload=ContentFile(content),
            original_name=f"{canaries.text(f'file name of the {sender}')}.txt",
            content_type="text/plain",
            size=len(content),
        )
    conversation.set_note(session, note=canaries.text("note"), result=canaries.text("result"))


def _signal(session: Session, canaries: Canaries) -> None:
    """Store a signal of a call and a life sign directly as rows.

    The services accept them only while a conversation is open, and no open call may be visible to
    staff.
    """
    body = f'{{"sdp": "{canaries.text("signal")}"}}'
    Signal.objects.create(session=session, sender=Party.VISITOR, kind=Signal.Kind.OFFER, body=body)
    LifeSign.objects.create(session=session, at=timezone.now())
