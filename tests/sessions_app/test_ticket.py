"""Test the ticket: it records the shown text, and no session starts without one."""

from __future__ import annotations

import base64

import pytest
from django.core import signing
from django.test import Client

from sessions_app import ticket
from sessions_app.models import Session
from tests.factories import WebChatFactory, make_ticket
from tests.pages import COMPLETE, entry_url, ticket_in
from webchat.models import WebChat

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_every_single_bit_flip_is_refused(webchat: WebChat) -> None:
    signed = make_ticket(webchat)
    assert ticket.read(signed, webchat=webchat, channel="chat").language == "en"
    octets = signed.encode()
    for position in range(len(octets) * 8):
        flipped = bytearray(octets)
        flipped[position // 8] ^= 1 << position % 8
        for text in {flipped.decode("latin-1"), flipped.decode("utf-8", errors="replace")}:
            with pytest.raises(ticket.TicketRefused):
                ticket.read(text, webchat=webchat, channel="chat")


@pytest.mark.parametrize("signed", ["", "x", ":", "a:b:c", "\0", "é" * 10, "\ud800", "." * 100_000])
def test_garbage_is_refused(signed: str) -> None:
    with pytest.raises(ticket.TicketRefused):
        ticket.read(signed, webchat=WebChatFactory(), channel="chat")


def test_foreign_signature_is_refused(webchat: WebChat) -> None:
    payload = signing.loads(make_ticket(webchat), salt="sessions_app.ticket")
    for forged in (
        signing.dumps(payload, salt="another.salt"),
        signing.dumps(payload, key="another key" * 5, salt="sessions_app.ticket"),
        signing.dumps([1, 2], salt="sessions_app.ticket"),
        signing.dumps({**payload, "extra": 1}, salt="sessions_app.ticket"),
        base64.urlsafe_b64encode(b'{"channel": "chat"}').decode(),
    ):
        with pytest.raises(ticket.TicketRefused):
            ticket.read(forged, webchat=webchat, channel="chat")


@pytest.mark.parametrize("other", ["webchat", "channel"])
def test_ticket_of_another_form_answers_403_and_stores_nothing(client: Client, other: str) -> None:
    webchat = WebChatFactory()
    foreign = (
        entry_url(WebChatFactory()) if other == "webchat" else entry_url(webchat, showroom=True)
    )
    signed = ticket_in(client.get(foreign))
    response = client.post(entry_url(webchat), {"ticket": signed, **COMPLETE})
    assert response.status_code == 403
    assert 'value="Jana Nováková"' in response.content.decode()
    assert not response.cookies
    assert not Session.objects.exists()


def test_expired_ticket_answers_403_with_a_fresh_form(client: Client, settings: object) -> None:
    webchat = WebChatFactory()
    signed = ticket_in(client.get(entry_url(webchat)))
    settings.TICKET_MAX_AGE = -1  # type: ignore[attr-defined]
    response = client.post(entry_url(webchat), {"ticket": signed, **COMPLETE})
    assert response.status_code == 403
    settings.TICKET_MAX_AGE = 60  # type: ignore[attr-defined]
    again = client.post(entry_url(webchat), {"ticket": ticket_in(response), **COMPLETE})
    assert again.status_code == 302


def test_room_secret_is_stored_only_as_digest(client: Client, webchat: WebChat) -> None:
    signed = ticket_in(client.get(entry_url(webchat)))
    room = client.post(entry_url(webchat), {"ticket": signed, **COMPLETE}).headers["Location"]
    token = room.split("/")[2]
    assert len(token) == 64
    from tests.database import dump

    assert token not in dump()
    assert ticket.room_key(token) in dump()
