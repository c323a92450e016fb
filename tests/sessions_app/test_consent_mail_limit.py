"""Test the exact limits of mails with a link, per day and per hour."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_app.visitor.consent_mail import TooManyMails, send_link

HOUR, DAY = 3600, 24 * 3600
Send = Callable[..., bool]


@pytest.fixture(params=["locmem.LocMemCache", "filebased.FileBasedCache"])
def send(
    request: pytest.FixtureRequest, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Send:
    """Return a function that sends the link at a given second and returns whether it was sent."""
    backend = f"django.core.cache.backends.{request.param}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    start = time.time()

    def send_at(second: float, *, uid: str = "a") -> bool:
        monkeypatch.setattr(time, "time", lambda: start + second)
        session: Any = SimpleNamespace(uid=uid, webchat=SimpleNamespace(name="Shop"))
        try:
            send_link("jana@example.com", session=session, link="https://example.com/c/x/")
        except TooManyMails:
            return False
        return True

    return send_at


def test_a_link_is_sent_three_times_within_a_day(send: Send) -> None:
    assert [send(second) for second in (0, 10, 20, 30)] == [True, True, True, False]
    assert not send(DAY - 1)
    assert send(DAY), "the first mail is a day old"
    assert not send(DAY + 9), "the second is not"
    assert send(DAY + 10)


def test_links_are_counted_apart(send: Send) -> None:
    assert [send(0, uid=uid) for uid in "aaabbb"] == [True] * 6
    assert [send(1, uid=uid) for uid in "abc"] == [False, False, True]


def test_a_mail_now_and_then_is_never_refused(send: Send) -> None:
    assert all(send(number * 10 * HOUR) for number in range(10))


def test_two_hundred_mails_are_sent_within_an_hour(send: Send, mailoutbox: list[Any]) -> None:
    uids = map(str, itertools.count())
    assert all(send(second, uid=next(uids)) for second in range(200))
    assert not send(200, uid=next(uids))
    assert not send(HOUR - 1, uid=next(uids))
    assert send(HOUR, uid=next(uids)), "the first mail is an hour old"
    assert not send(HOUR, uid=next(uids)), "the second is not"
    assert len(mailoutbox) == 201


def test_mails_all_day_long_are_never_refused(send: Send) -> None:
    assert all(send(number * 20, uid=str(number)) for number in range(220))
