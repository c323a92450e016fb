"""Test the limits of mails with a link: per link, per recipient, and altogether."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from smtplib import SMTPServerDisconnected
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client

from sessions_app import limits
from sessions_app.models import LimitCounter
from sessions_app.visitor.consent_mail import AddressRefused, MailRefused, TooManyMails, send_link
from tests.pages import consent_url, submit
from tests.races import at_once
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

HOUR, DAY = 3600, 24 * 3600
MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)
Send = Callable[..., bool]


def send_to(address: str, *, uid: str = "a") -> bool:
    session: Any = SimpleNamespace(uid=uid, webchat=SimpleNamespace(name="Shop"))
    try:
        send_link(address, session=session, link="https://example.com/c/x/")
    except TooManyMails:
        return False
    return True


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Send:
    """Return a function that sends the link at a second of the day and returns whether it was sent."""
    numbers = itertools.count()

    def send_at(second: float, *, uid: str = "a", address: str = "") -> bool:
        clock = SimpleNamespace(now=lambda: MIDNIGHT + timedelta(seconds=second))
        monkeypatch.setattr(limits, "timezone", clock)
        return send_to(address or f"guest{next(numbers)}@example.com", uid=uid)

    return send_at


def test_a_link_is_sent_three_times_a_day(send: Send) -> None:
    assert [send(second) for second in (0, 10, 20, 30)] == [True, True, True, False]
    assert not send(DAY - 1), "a refused mail does not renew the window, nor does it end it"
    assert [send(DAY + second) for second in range(4)] == [True, True, True, False]


def test_an_address_gets_one_link_a_day_however_it_is_written(send: Send) -> None:
    assert send(0, address="Jana@Example.com", uid="a")
    assert not send(1, address="jana@example.com", uid="b")
    assert not send(DAY - 1, address="JANA@EXAMPLE.COM", uid="c")
    assert send(DAY, address="jana@example.com", uid="d")


def test_links_are_counted_apart(send: Send) -> None:
    assert [send(0, uid=uid) for uid in "aaabbb"] == [True] * 6
    assert [send(1, uid=uid) for uid in "abc"] == [False, False, True]


def test_two_hundred_mails_are_sent_in_an_hour(send: Send, mailoutbox: list[Any]) -> None:
    uids = map(str, itertools.count())
    assert all(send(second, uid=next(uids)) for second in range(200))
    assert not send(200, uid=next(uids))
    assert not send(HOUR - 1, uid=next(uids))
    assert send(HOUR, uid=next(uids)), "the hour is over"
    assert len(mailoutbox) == 201


def test_one_link_does_not_use_up_the_total(send: Send) -> None:
    for second in range(220):
        send(second, uid="a")
    assert send(221, uid="b")


@pytest.mark.parametrize("failure", [OSError, SMTPServerDisconnected])
def test_a_mail_that_was_not_sent_does_not_count(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def fail(*args: Any) -> None:
        raise failure("jana@example.com")

    with monkeypatch.context() as away:
        away.setattr(EmailBackend, "send_messages", fail)
        for _ in range(4):
            with pytest.raises(MailRefused) as refused:
                send_to("jana@example.com")
            assert "jana" not in str(refused.value)
    assert send_to("jana@example.com")


def test_an_address_that_has_no_ascii_form_is_refused() -> None:
    with pytest.raises(AddressRefused):
        send_to(f"jana@{'é' * 60}.cz")
    assert not LimitCounter.objects.filter(count__gt=0).exists()


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_pass_a_limit(mailoutbox: list[Any]) -> None:
    sent = at_once([lambda uid=uid: send_to("jana@example.com", uid=uid) for uid in "abcdefgh"])  # type: ignore[misc]
    assert sorted(sent) == [False] * 7 + [True]  # type: ignore[type-var]
    assert len(mailoutbox) == 1


def test_the_page_says_when_to_try_again(
    client: Client, webchat: WebChat, mailoutbox: list[Any]
) -> None:
    pages = [consent_url(submit(client, webchat).headers["Location"]) for _ in range(2)]
    first, second = (client.post(f"{page}mail/", {"email": "jana@example.com"}) for page in pages)
    assert (first.status_code, second.status_code, len(mailoutbox)) == (302, 429, 1)
    assert 0 < int(second.headers["Retry-After"]) <= DAY
    assert 'value="jana@example.com"' in second.content.decode()
