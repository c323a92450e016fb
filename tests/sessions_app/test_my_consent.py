"""Test My consent: only its link shows the evidence and lets the person withdraw."""

from __future__ import annotations

import io
import logging
import re
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.test import Client

from anonymization.models import Erasure
from sessions_app import consent, lock
from sessions_app.models import ConsentEvent, LimitCounter, Message, Session
from sessions_app.ticket import consent_token
from sessions_app.visitor import consent_mail
from tests.database import digest, dump
from tests.factories import ConsentVersionFactory, ErasureFactory, WebChatFactory
from tests.pages import COMPLETE, consent_url, submit
from webchat.models import EntryForm, OnWithdrawal, WebChat

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(client: Client) -> str:
    return submit(client, WebChatFactory()).headers["Location"]


@pytest.fixture
def mine(room: str) -> str:
    return consent_url(room)


def test_it_shows_the_text_that_was_shown(client: Client) -> None:
    webchat = WebChatFactory(name="Shop Prague")
    czech = Client(headers={"Accept-Language": "cs"})
    mine = consent_url(submit(czech, webchat).headers["Location"])
    ConsentVersionFactory(webchat=webchat, wording="Another wording.")
    response = client.get(mine)
    page = response.content.decode()
    assert response.headers["Content-Language"] == "cs"
    assert 'lang="cs">I agree (cs)' in page
    assert "<p>We process your data to answer you. (cs)</p>" in page
    assert "Another wording" not in page
    assert f'href="/w/{webchat.public_id}/consent/1/cs/"' in page
    given = ConsentEvent.objects.get()
    for value in (given.text.sha256, "Shop Prague", f"{Session.objects.get().created_at:%Y}"):
        assert value in page


def test_it_names_nobody_and_leaves_no_trace(client: Client, mine: str) -> None:
    for path in ("", "receipt.json", "withdraw/"):
        response = client.get(f"{mine}{path}")
        text = response.content.decode()
        assert response.status_code == 200
        for value in (COMPLETE["name"], COMPLETE["email"], "603 123", "603123"):
            assert value not in text
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Robots-Tag"] == "noindex"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert "no-store" in response.headers["Cache-Control"]
        assert not response.cookies
        assert client.head(f"{mine}{path}").status_code == 200


def test_rendering_it_changes_nothing(client: Client, mine: str) -> None:
    before = digest()
    for path in ("", "receipt.json", "withdraw/"):
        client.get(f"{mine}{path}")
    assert digest() == before


def test_its_secret_is_stored_nowhere_and_opens_no_room(
    client: Client, room: str, mine: str
) -> None:
    secret = mine.split("/")[2]
    assert secret not in dump()
    assert Session.objects.get().consent_key in dump(), "the control"
    assert client.get(f"/r/{secret}/").status_code == 404
    assert client.get(f"/c/{room.split('/')[2]}/").status_code == 404


def test_the_link_outlives_the_key_and_the_room(
    client: Client, room: str, mine: str, settings: Any
) -> None:
    settings.SECRET_KEY = "another key, of fifty characters and more than that, as required"
    assert consent_url(room) == mine
    Session.objects.update(room_key=None)
    assert client.get(room).status_code == 404
    assert client.get(mine).status_code == 200


def test_a_room_from_before_opens_it_by_its_own_secret(client: Client, room: str) -> None:
    Session.objects.update(consent_key=None)
    mine = consent_url(room)
    assert mine.split("/")[2] == room.split("/")[2]
    assert client.post(f"{mine}withdraw/").status_code == 200
    assert client.get(f"/c/{consent_token(room.split('/')[2])}/").status_code == 404


def test_withdrawing_is_one_click_and_a_confirmation(client: Client, room: str, mine: str) -> None:
    assert f'href="{mine}withdraw/"' in client.get(mine).content.decode()
    confirm = client.get(f"{mine}withdraw/").content.decode()
    assert "View or withdraw my consent" in client.get(room).content.decode()
    assert "Your conversation will end." in confirm
    assert "Your withdrawal will be listed for our data protection officer" in confirm
    assert ConsentEvent.objects.count() == 1
    done = client.post(f"{mine}withdraw/")
    assert (done.status_code, ConsentEvent.objects.count()) == (200, 2)
    assert "You have withdrawn your consent" in done.content.decode()
    assert "will have your contact details, messages and files" in done.content.decode()
    assert "View or withdraw my consent" not in client.get(room).content.decode()
    # The second tab.
    in_room = client.get(room).content.decode()
    assert "You have ended the conversation." in in_room
    assert "Your feedback" not in in_room
    late = client.post(f"{room}feedback/", {"stars": "1", "text": "Kassiopeia"})
    assert late.status_code == 409
    assert Session.objects.get().feedback_text == ""
    assert client.post(f"{room}message/", {"text": "late"}).status_code == 409
    assert not Message.objects.exists()
    # A repeated withdrawal, in both ways.
    for again in (client.post(f"{mine}withdraw/"), client.get(f"{mine}withdraw/")):
        assert again.status_code == 200
        assert "You have already withdrawn your consent" in again.content.decode()
    assert ConsentEvent.objects.count() == 2
    page = client.get(mine).content.decode()
    assert "You withdrew your consent on" in page
    assert f'href="{mine}withdraw/"' not in page


def test_no_login_protects_it_and_no_token_is_asked(room: str, mine: str) -> None:
    """In a frame, cookies are not sent. The secret URL protects the form."""
    assert Client(enforce_csrf_checks=True).post(f"{mine}withdraw/").status_code == 200


def test_at_once_nothing_is_left_and_the_answer_is_that_of_an_unknown_secret(
    client: Client,
) -> None:
    webchat = WebChatFactory(on_withdrawal=OnWithdrawal.ANONYMIZE)
    room = submit(client, webchat, name="Kassiopeia").headers["Location"]
    mine = consent_url(room)
    confirm = client.get(f"{mine}withdraw/").content.decode()
    assert "permanently deleted right away" in confirm
    assert "your rating in stars and the number of messages" in confirm
    done = client.post(f"{mine}withdraw/").content.decode()
    assert "statistics that do not identify you are kept" in done
    assert f"The erasure is recorded as number {Erasure.objects.get().number}." in done
    assert "Kassiopeia" not in dump()
    assert client.get(room).status_code == 404
    unknown = "/c/" + "0" * 64 + "/"
    for method, path in (
        ("GET", ""), ("GET", "receipt.json"), ("GET", "withdraw/"), ("POST", "withdraw/"), ("POST", "mail/"),
    ):  # fmt: skip
        gone, never = (client.generic(method, f"{url}{path}") for url in (mine, unknown))
        assert gone.status_code == never.status_code == 404
        assert "This conversation is not stored here" in gone.content.decode()
        assert _without_nonce(gone) == _without_nonce(never)
    assert client.get("/c/x/").status_code == 404
    assert "This conversation is not stored here" in client.get("/c/x/").content.decode()


def _without_nonce(response: Any) -> Any:
    headers = {
        n: re.sub("nonce-[^']+", "", v) for n, v in response.headers.items() if n != "Expires"
    }
    return response.content, headers.items() - {("Last-Modified", headers.get("Last-Modified"))}


def test_an_erasure_by_staff_closes_it(client: Client, mine: str) -> None:
    assert client.get(mine).status_code == 200
    ErasureFactory(subject=Session.objects.get())
    assert client.get(mine).status_code == 404


def test_without_consent_the_page_names_a_contact(client: Client, settings: Any) -> None:
    settings.CONTROLLER_CONTACT = "privacy@example.com"
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    mine = consent_url(submit(client, webchat, consent=None).headers["Location"])
    page = client.get(mine).content.decode()
    assert "This conversation did not require your consent" in page
    assert 'href="mailto:privacy@example.com"' in page
    assert "withdraw/" not in page
    assert client.get(f"{mine}receipt.json").status_code == 404
    for response in (client.get(f"{mine}withdraw/"), client.post(f"{mine}withdraw/")):
        assert response.status_code == 409
        assert "This conversation did not require your consent" in response.content.decode()
    assert Session.objects.get().is_open


# The link by mail ---------------------------------------------------------------------------------------

ADDRESS = "kanar@mail.example.com"


@pytest.fixture
def log() -> Any:
    """Return the output of the configured log handler."""
    (handler,) = (
        h for h in logging.getLogger("sessions_app").handlers if type(h) is logging.StreamHandler
    )
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def send(client: Client, mine: str, address: str = ADDRESS) -> Any:
    return client.post(f"{mine}mail/", {"email": address})


def test_the_link_goes_to_the_address_and_the_address_nowhere(
    client: Client, mine: str, mailoutbox: list[Any], log: Any
) -> None:
    WebChat.objects.update(name="Shop\nPrague")
    before = digest()
    response = send(client, mine)
    assert response.headers["Location"] == f"{mine}?sent#keep"
    assert "The link was sent." in client.get(f"{mine}?sent").content.decode()
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == ([ADDRESS], "Your consent for Shop Prague")
    assert f"http://testserver{mine}\n" in mail.body
    for value in (COMPLETE["name"], COMPLETE["email"], "603 123", "603123", ADDRESS):
        assert value not in mail.subject + mail.body
    # The counters of the limits contain keyed hashes only.
    LimitCounter.objects.all().delete()
    assert digest() == before
    assert ADDRESS not in log.getvalue()


@pytest.mark.parametrize(
    "address", ["", "x", "a@example.com\nBcc: b@example.com", "a@b, c@d.example"]
)
def test_an_invalid_address_is_sent_nothing(
    client: Client, mine: str, mailoutbox: list[Any], address: str
) -> None:
    assert send(client, mine, address).status_code == 422
    assert mailoutbox == []


def test_a_link_is_sent_three_times_a_day(client: Client, mine: str, mailoutbox: list[Any]) -> None:
    addresses = [f"guest{number}@example.com" for number in range(5)]
    answers = [send(client, mine, address).status_code for address in addresses]
    assert answers == [302, 302, 302, 429, 429]
    assert len(mailoutbox) == 3


def test_all_links_together_have_a_limit(client: Client, mine: str, mailoutbox: list[Any]) -> None:
    consent_mail.PER_HOUR.count(amount=consent_mail.PER_HOUR.most)
    assert send(client, mine).status_code == 429
    LimitCounter.objects.all().delete()
    assert send(client, mine).status_code == 302


def test_a_mail_server_that_refuses_is_told_and_not_quoted(
    client: Client, mine: str, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise SMTPRecipientsRefused({ADDRESS: (550, b"no such box")})

    monkeypatch.setattr(consent_mail, "send_mail", refuse)
    response = send(client, mine)
    assert response.status_code == 503
    assert "The e-mail could not be sent." in response.content.decode()
    assert "SMTPRecipientsRefused" in log.getvalue()
    assert ADDRESS not in log.getvalue()


def test_without_mail_it_is_not_offered(client: Client, mine: str, settings: Any) -> None:
    assert f'action="{mine}mail/"' in client.get(mine).content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert f'action="{mine}mail/"' not in client.get(mine).content.decode()
    assert send(client, mine).status_code == 404


def test_a_session_that_goes_while_the_page_is_open_is_nothing_stored(
    client: Client, mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(session: Session, **_options: Any) -> None:
        raise lock.SessionClosed

    monkeypatch.setattr(consent, "withdraw_consent", gone)
    assert client.post(f"{mine}withdraw/").status_code == 404
