"""Test the home page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization.models import FileDeletion
from sessions_app.models import Session
from tests.factories import ErasureFactory, SessionFactory, StaffFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import EMAIL, NAME, CanaryFactory, make_rows
from webchat.models import WebChat

pytestmark = pytest.mark.django_db


def test_it_asks_for_a_log_in(client: Client) -> None:
    assert client.get("/").headers["Location"].startswith("/accounts/login/")


def test_it_counts_open_conversations_and_recent_events(log_in: LogIn, settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "day"
    webchat = WebChatFactory()
    SessionFactory(webchat=webchat)
    SessionFactory(webchat=webchat, operator=StaffFactory())
    SessionFactory(webchat=webchat, ended=True)
    make_rows(webchat, 1, at=timezone.now() - timedelta(days=2), status="closed")
    record = ErasureFactory(subject__webchat=webchat, subject__new_guest=True)
    FileDeletion.objects.create(erasure=record, name="attachments/xx")
    FileDeletion.objects.create(name="attachments/an-upload")
    figures = log_in("officer").get("/").context["figures"]
    assert (figures.sessions.waiting, figures.sessions.active, figures.sessions.today) == (1, 1, 4)
    assert (figures.erasures.this_month, figures.erasures.pending_files) == (1, 1)
    assert figures.webchats.total == 1


def test_the_erasures_of_this_month_are_a_link_to_them(log_in: LogIn) -> None:
    page = log_in("officer").get("/").content.decode()
    assert f'href="/erasures/?since={timezone.localdate():%Y-%m}-01"' in page


def test_each_sees_what_they_may(log_in: LogIn) -> None:
    WebChatFactory()
    seen = {}
    for role in ("operator", "administrator", "officer", "stranger"):
        figures = log_in(role).get("/").context["figures"]
        seen[role] = (bool(figures.sessions), bool(figures.erasures), bool(figures.webchats))
    assert seen == {
        "operator": (True, False, False),
        "administrator": (True, True, True),
        "officer": (True, True, True),
        "stranger": (False, False, False),
    }
    assert "Your account has no role yet" in log_in("stranger").get("/").content.decode()


def test_it_names_nobody(log_in: LogIn) -> None:
    session = CanaryFactory()
    page = log_in("support").get("/").content.decode()
    assert f'href="/sessions/{session.pk}/"' in page
    assert NAME not in page
    assert EMAIL not in page


def test_the_longest_waiting_visitor_is_first(log_in: LogIn) -> None:
    rows = make_rows(WebChatFactory(), 12, status="waiting")
    figures = log_in("operator").get("/").context["figures"]
    assert [row.pk for row in figures.sessions.oldest] == [row.pk for row in rows[::-1][:10]]
    assert figures.sessions.more == 2


def test_a_webchat_that_turns_everybody_away_is_named(log_in: LogIn) -> None:
    WebChatFactory(name="Good one")
    closed = WebChatFactory(name="Without text", published=[])
    half = WebChatFactory(name="Without German")
    WebChat.objects.filter(pk=half.pk).update(languages=["en", "de"])
    figures = log_in("administrator").get("/").context["figures"]
    assert {webchat.pk for webchat in figures.webchats.closed} == {closed.pk, half.pk}


def test_an_empty_installation_says_what_to_do_next(log_in: LogIn) -> None:
    assert "/settings/webchat/add/" in log_in("administrator").get("/").content.decode()
    assert "Nobody is waiting" in log_in("operator").get("/").content.decode()


@pytest.mark.parametrize("count", [1, 30])
def test_the_number_of_queries_does_not_grow(log_in: LogIn, count: int) -> None:
    for _number in range(count):
        make_rows(WebChatFactory(), 1, status="waiting")
    client = log_in("superuser")
    assert Session.objects.count() == count
    with CaptureQueriesContext(connection) as queries:
        client.get("/")
    assert len(queries) <= 16
