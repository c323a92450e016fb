"""Test that an e-mail address never hands an account to somebody else."""

from __future__ import annotations

import re
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from sessions_app.models import LimitCounter
from tests.factories import PASSWORD, StaffFactory
from tests.races import at_once

pytestmark = pytest.mark.django_db

RESET, ADDRESSES = "/accounts/password/reset/", "/accounts/email/"


class Away(EmailBackend):
    """A mail server that does not answer."""

    def open(self) -> bool:
        raise ConnectionRefusedError

    def send_messages(self, messages: Any) -> int:
        raise SMTPServerDisconnected("kanar@example.com")


class Refuses(EmailBackend):
    """A mail server that answers and refuses every mail."""

    def send_messages(self, messages: Any) -> int:
        raise SMTPServerDisconnected("kanar@example.com")


@pytest.fixture(autouse=True)
def _no_throttling() -> None:
    cache.clear()


@pytest.fixture
def jana() -> User:
    return StaffFactory(role="support", username="jana")


@pytest.fixture
def client(jana: User) -> Client:
    """Return a browser in which Jana has just entered her password."""
    client = Client()
    client.post("/accounts/login/", {"login": "jana", "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def later(client: Client) -> None:
    """Let the time pass within which the password need not be entered again."""
    session = client.session
    session["account_authentication_methods"] = [
        entry | {"at": entry["at"] - 3600} for entry in session["account_authentication_methods"]
    ]
    session.save()


def addressees() -> list[str]:
    return [address for message in mail.outbox for address in message.to]


@pytest.mark.parametrize("act", ["action_add", "action_primary", "action_remove"])
def test_another_address_asks_for_the_password(client: Client, jana: User, act: str) -> None:
    EmailAddress.objects.create(user=jana, email="second@example.com", verified=True)
    email = "third@example.com" if act == "action_add" else "second@example.com"
    before = set(EmailAddress.objects.values_list("email", "primary"))
    later(client)

    response = client.post(ADDRESSES, {act: "", "email": email})

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/accounts/reauthenticate/")
    known = set(EmailAddress.objects.filter(user=jana).values_list("email", "primary"))
    assert known - before <= {("jana@example.com", False)}, "the account's own address only"
    assert not mail.outbox
    client.post(response.headers["Location"], {"password": PASSWORD})
    assert set(EmailAddress.objects.filter(user=jana).values_list("email", "primary")) != known


def test_an_address_becomes_primary_after_its_verification(client: Client, jana: User) -> None:
    client.post(ADDRESSES, {"action_add": "", "email": "new@example.com"})
    page = client.post(ADDRESSES, {"action_primary": "", "email": "new@example.com"}, follow=True)
    assert "Verify the address before you make it the primary one." in page.content.decode()
    jana.refresh_from_db()
    assert jana.email == "jana@example.com"

    (sent,) = mail.outbox
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", sent.body)
    assert link
    client.post(link[1])
    client.post(ADDRESSES, {"action_primary": "", "email": "new@example.com"})
    jana.refresh_from_db()
    assert jana.email == "new@example.com"


def test_a_reset_is_sent_to_no_unverified_address(client: Client, jana: User) -> None:
    client.post(ADDRESSES, {"action_add": "", "email": "new@example.com"})
    mail.outbox.clear()
    for email in ("new@example.com", "nobody@example.com"):
        assert Client().post(RESET, {"email": email}).status_code == 302
    assert addressees() == []
    assert Client().post(RESET, {"email": "jana@example.com"}).status_code == 302
    EmailAddress.objects.filter(email="new@example.com").update(verified=True)
    assert Client().post(RESET, {"email": "new@example.com"}).status_code == 302
    assert addressees() == ["jana@example.com", "new@example.com"]


def test_a_colleagues_address_is_refused_without_a_word(client: Client, jana: User) -> None:
    petr = StaffFactory(role="officer", username="petr")
    answers = []
    for email in ("unused@example.com", "petr@example.com"):
        page = client.post(ADDRESSES, {"action_add": "", "email": email}, follow=True)
        html = re.sub(
            r'(name="csrfmiddlewaretoken" value|nonce)="[^"]*"', "", page.content.decode()
        )
        answers.append((page.status_code, html.replace(email, "…").count("…")))
        EmailAddress.objects.filter(user=jana, email="unused@example.com").delete()
    assert answers[0] == answers[1]
    assert addressees() == ["unused@example.com"]

    # Nor does a link work that was sent before the colleague had the address.
    theirs = EmailAddress.objects.get(user=jana, email="petr@example.com")
    key = EmailConfirmationHMAC(theirs).key
    client.post(f"/accounts/confirm-email/{key}/")
    theirs.refresh_from_db()
    assert not theirs.verified
    Client().post(RESET, {"email": "petr@example.com"})
    assert addressees()[1:] == ["petr@example.com"]
    assert f"/{petr.pk}-" not in mail.outbox[0].body


@pytest.mark.parametrize(
    ("host", "trusted", "linked"),
    [
        ("testserver", [], "testserver"),
        ("testserver:8000", [], "testserver:8000"),
        ("testserver:4444", [], "testserver"),
        ("testserver:4444", ["http://testserver:4444"], "testserver:4444"),
    ],
)
def test_links_in_mails_lead_to_no_foreign_port(
    client: Client, settings: Any, host: str, trusted: list[str], linked: str
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = trusted
    Client().post(RESET, {"email": "jana@example.com"}, headers={"Host": host})
    client.post(ADDRESSES, {"action_add": "", "email": "new@example.com"}, headers={"Host": host})
    assert len(mail.outbox) == 2
    for message in mail.outbox:
        assert set(re.findall(r"http://([^/\s]+)/accounts/\S+", message.body)) == {linked}


@pytest.mark.parametrize("email", ["jana@example.com", "nobody@example.com"])
def test_without_a_mail_server_nobody_learns_who_has_an_account(
    client: Client, settings: Any, email: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Away"
    response = Client().post(RESET, {"email": email})
    assert response.status_code == 503
    page = response.content.decode()
    assert "The mail server can&#x27;t be reached." in page
    assert f'value="{email}"' in page
    response = client.post(ADDRESSES, {"action_add": "", "email": "new@example.com"})
    assert response.status_code == 503
    assert "The mail server can&#x27;t be reached." in response.content.decode()
    assert not EmailAddress.objects.filter(email="new@example.com").exists()

    settings.EMAIL_BACKEND = f"{__name__}.Refuses"
    assert Client().post(RESET, {"email": email}).status_code == 302
    assert "example.com" not in caplog.text


def test_an_account_gets_one_reset_a_day_and_the_page_does_not_tell(jana: User) -> None:
    answers = [Client().post(RESET, {"email": email}) for email in ["jana@example.com"] * 3]
    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {
        (302, f"{RESET}done/")
    }
    assert len(mail.outbox) == 1
    LimitCounter.objects.update(key="0" * 64)
    Client().post(RESET, {"email": "Jana@Example.com"})
    assert len(mail.outbox) == 2, "the next day has another key"


def test_a_reset_that_was_not_sent_does_not_count(jana: User, settings: Any) -> None:
    backend = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Refuses"
    Client().post(RESET, {"email": "jana@example.com"})
    settings.EMAIL_BACKEND = backend
    Client().post(RESET, {"email": "jana@example.com"})
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_resets_send_one_mail(jana: User) -> None:
    at_once([lambda: Client().post(RESET, {"email": "jana@example.com"})] * 5)
    assert len(mail.outbox) == 1
