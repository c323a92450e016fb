"""Test the request for erasure with a withdrawal, the officers' mail, and withdrawals by staff."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from sessions_app.models import ConsentEvent, Guest, Session
from sessions_app.ticket import consent_token
from tests.factories import (
    ErasureFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
    publish_notice,
)
from tests.pages import LogIn, submit
from webchat.models import EntryForm, OnWithdrawal, WebChat

pytestmark = pytest.mark.django_db


def begin(client: Client, webchat: WebChat) -> tuple[Session, str]:
    """Start a conversation of the same person. Return the session and the URL of My consent."""
    room = submit(client, webchat).headers["Location"]
    return Session.objects.latest("pk"), f"/c/{consent_token(room.split('/')[2])}/"


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


@pytest.fixture(params=list(OnWithdrawal))
def webchat(request: pytest.FixtureRequest) -> WebChat:
    return WebChatFactory(on_withdrawal=request.param)


def test_the_wish_is_listed_and_touches_no_other_session(
    client: Client, log_in: LogIn, webchat: WebChat
) -> None:
    other, _link = begin(client, webchat)
    session, link = begin(client, webchat)
    assert 'type="checkbox" name="all"' in text(client.get(f"{link}withdraw/"))
    assert "checked" not in text(client.get(f"{link}withdraw/"))
    done = client.post(f"{link}withdraw/", {"all": "on"})
    assert "Your wish to have all your data deleted is listed with it." in text(done)
    session.refresh_from_db()
    assert (session.wants_erasure, session.anonymized_in) == (True, None)
    kept = Session.objects.get(pk=other.pk)
    assert (kept.withdrawn_at, kept.wants_erasure, kept.is_open) == (None, False, True)
    officer = log_in("officer")
    listed = text(officer.get("/withdrawals/"))
    assert "wants all data deleted" in listed
    assert f"/guests/{session.guest_id}/anonymize/" in listed
    assert "wants all of their data deleted" in text(officer.get(f"/sessions/{session.pk}/"))
    ErasureFactory(subject=Guest.objects.get())
    assert not Session.objects.filter(wants_erasure=True).exists()


@pytest.mark.parametrize("sent", [{}, {"all": "off"}])
def test_without_the_tick_nothing_is_wished(
    client: Client, webchat: WebChat, sent: dict[str, str]
) -> None:
    session, link = begin(client, webchat)
    done = text(client.post(f"{link}withdraw/", sent))
    session.refresh_from_db()
    assert session.wants_erasure is False
    at_once = webchat.on_withdrawal == OnWithdrawal.ANONYMIZE
    assert (session.anonymized_in is not None) is at_once
    assert ("This applies to this conversation only" in done) is not at_once


def test_after_one_erasure_the_page_speaks_of_this_conversation_only(
    client: Client, webchat: WebChat
) -> None:
    _other, others_link = begin(client, webchat)
    session, link = begin(client, webchat)
    ErasureFactory(subject=session)
    gone = client.get(link)
    assert gone.status_code == 404
    assert "This conversation is not stored here" in text(gone)
    assert "This says nothing about your other conversations" in text(gone)
    assert client.get(others_link).status_code == 200


def test_officers_are_told_by_mail_without_a_word_about_the_person(client: Client) -> None:
    for name in ("officer", "support"):
        StaffFactory(role=name)
    StaffFactory(role="officer", username="left")
    User.objects.filter(username="left").update(is_active=False)
    session, link = begin(client, WebChatFactory())
    done = client.post(f"{link}withdraw/", {"all": "on"})
    assert "officer was notified by e-mail" in text(done)
    (message,) = mail.outbox
    assert (message.to, message.bcc) == ([], ["officer@example.com"])
    assert message.subject == f"Consent withdrawn in session {session.pk}"
    assert "http://testserver/withdrawals/" in message.body
    assert "They want all of their data deleted." in message.body
    for word in ("Jana", "jana@", "603", link):
        assert word not in message.body
    assert client.post(f"{link}withdraw/").status_code == 200
    assert len(mail.outbox) == 1, "once"


def test_without_mail_the_page_says_that_it_is_listed(client: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    StaffFactory(role="officer")
    done = text(client.post(f"{begin(client, WebChatFactory())[1]}withdraw/"))
    assert "notified" not in done
    assert "Your withdrawal is listed for our data protection officer" in done


@pytest.mark.parametrize("case", ["no officer", "no address", "refused"])
def test_a_mail_that_was_not_sent_is_not_claimed(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    if case != "no officer":
        StaffFactory(role="officer")
    if case == "no address":
        User.objects.update(email="")

    def refuse(*_args: Any) -> None:
        raise OSError("officer@example.com is unknown")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    session, link = begin(client, WebChatFactory())
    done = client.post(f"{link}withdraw/")
    assert done.status_code == 200
    assert "is listed for our data protection officer" in text(done)
    session.refresh_from_db()
    assert session.withdrawn_at is not None
    assert "officer@example.com" not in caplog.text
    assert ("the officers were not told: OSError" in caplog.text) is (case == "refused")


# Recorded by staff ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["operator", "support", "officer"])
def test_staff_record_what_was_said_in_the_conversation(log_in: LogIn, role: str) -> None:
    session, staff = SessionFactory(), log_in(role)
    page = f"/sessions/{session.pk}/withdrawal/"
    assert page in text(staff.get(f"/sessions/{session.pk}/"))
    assert "it can't be undone" in text(staff.get(page)).lower()
    assert Session.objects.get().withdrawn_at is None
    answer = staff.post(page, {"all": "on"})
    assert (answer.status_code, answer["Location"]) == (302, f"/sessions/{session.pk}/")
    session.refresh_from_db()
    assert session.withdrawn_at is not None
    assert (session.ended_by, session.wants_erasure) == ("operator", True)
    event = session.consent_events.get(kind="withdrawn")
    assert (event.via, event.channel) == ("conversation", "chat")
    shown = text(staff.get(f"/sessions/{session.pk}/"))
    assert "in the conversation, recorded by staff" in shown
    assert page not in shown
    again = staff.post(page)
    assert again.status_code == 409
    assert "no consent that could be withdrawn" in text(again)
    assert ConsentEvent.objects.filter(kind="withdrawn").count() == 1


def test_the_link_says_that_it_was_the_link(client: Client) -> None:
    session, link = begin(client, WebChatFactory())
    client.post(f"{link}withdraw/")
    assert list(session.consent_events.values_list("kind", "via")) == [
        ("given", ""),
        ("withdrawn", "link"),
    ]


def test_staff_may_erase_at_once_where_the_webchat_says_so(log_in: LogIn) -> None:
    session = SessionFactory(webchat__on_withdrawal=OnWithdrawal.ANONYMIZE)
    operator = log_in("operator")
    page = f"/sessions/{session.pk}/withdrawal/"
    assert "permanently deleted right away" in text(operator.get(page))
    assert operator.post(page).status_code == 302
    session.refresh_from_db()
    assert session.anonymized_in is not None
    assert operator.post(page).status_code == 409


@pytest.mark.parametrize("with_notice", [False, True])
def test_without_consent_there_is_no_button(log_in: LogIn, with_notice: bool) -> None:
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    if with_notice:
        publish_notice(webchat)
    session = SessionFactory(webchat=webchat)
    assert session.consent_events.exists() == with_notice
    operator = log_in("operator")
    page = f"/sessions/{session.pk}/withdrawal/"
    assert page not in text(operator.get(f"/sessions/{session.pk}/"))
    assert operator.post(page).status_code == 409
    assert log_in("administrator").post(page).status_code == 403
