"""Test the Live view: waiting visitors, open conversations, and taking one."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app import conversation, streams
from sessions_app.models import Party, Session, Status
from tests.factories import SessionFactory, StaffFactory
from tests.pages import LogIn
from tests.races import at_once
from webchat.models import WebChat

pytestmark = pytest.mark.django_db


def page(client: Client, **headers: str) -> str:
    return client.get("/sessions/live/", headers=headers).content.decode()


def test_it_lists_open_conversations_who_waits_longest_first(
    log_in: LogIn, webchat: WebChat
) -> None:
    active = SessionFactory(webchat=webchat, operator=StaffFactory(username="another"))
    first, second = SessionFactory.create_batch(2, webchat=webchat)
    SessionFactory(webchat=webchat, ended=True)
    html = page(log_in("operator"))
    assert re.findall(r'<a href="/sessions/(\d+)/">', html) == [
        str(s.pk) for s in (first, second, active)
    ]
    assert f'data-waiting="{first.pk} {second.pk}"' in html
    assert re.findall(r'action="/sessions/(\d+)/accept/"', html) == [str(first.pk), str(second.pk)]
    assert f'data-after="{streams.live_state()}"' in html


@pytest.mark.parametrize(
    ("role", "sees"), [("operator", True), ("support", True), ("administrator", False)]
)
def test_it_masks_people_and_offers_to_take_by_rights(log_in: LogIn, role: str, sees: bool) -> None:
    SessionFactory(name="Kassiopeia")
    html = page(log_in(role))
    assert ("Kassiopeia" in html) == sees
    assert ("/accept/" in html) == (role == "operator")


def test_its_script_gets_the_rows_alone(log_in: LogIn) -> None:
    SessionFactory()
    html = page(log_in("operator"), **{"HX-Request": "true"})
    assert html.startswith('<div class="card" data-waiting=')
    assert "Nobody is waiting" not in html
    conversation.end_session(Session.objects.get(), by=Party.VISITOR)
    assert "Nobody is waiting" in page(log_in("operator"))


@pytest.mark.parametrize("count", [1, 4])
def test_the_number_of_queries_does_not_grow(log_in: LogIn, count: int) -> None:
    client = log_in("operator")
    SessionFactory.create_batch(count, new_guest=True)
    with CaptureQueriesContext(connection) as queries:
        page(client)
    assert len(queries) <= 8


def test_handing_a_conversation_back(log_in: LogIn) -> None:
    session, another = SessionFactory(), StaffFactory(username="another")
    client = log_in("operator")
    assert client.post(f"/sessions/{session.pk}/release/").status_code == 409, "it is nobody's"
    client.post(f"/sessions/{session.pk}/accept/")
    assert "/release/" in client.get(f"/sessions/{session.pk}/").content.decode()
    assert client.post(f"/sessions/{session.pk}/release/").status_code == 302
    session.refresh_from_db()
    assert (session.status, session.operator, session.accepted_at, session.waited) == (
        Status.WAITING, None, None, None,
    )  # fmt: skip
    conversation.accept_session(session, operator=another)
    assert client.post(f"/sessions/{session.pk}/release/").status_code == 409, "it is another's"
    assert "/release/" not in client.get(f"/sessions/{session.pk}/").content.decode()
    session.refresh_from_db()
    assert session.operator == another


@pytest.mark.django_db(transaction=True)
def test_of_operators_who_take_a_conversation_at_once_one_gets_it() -> None:
    session = SessionFactory()
    operators = [StaffFactory(username=f"operator{number}") for number in range(4)]
    results = at_once(
        [lambda o=o: conversation.accept_session(session, operator=o) for o in operators]
    )  # type: ignore[misc]
    won = [result for result in results if isinstance(result, Session)]
    assert len(won) == 1
    assert [type(r) for r in results if r not in won] == [conversation.AlreadyAccepted] * 3
    session.refresh_from_db()
    assert session.operator == won[0].operator
