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
    assert f'data-waiting="2" data-latest="{second.pk}"' in " ".join(html.split())
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


def listed(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="(?:take|open)_(\d+)"', html)]


def all_pages(client: Client, address: str) -> list[list[int]]:
    """Return the conversations of each page, as the links to the next page lead."""
    pages = []
    while address:
        html = client.get(address).content.decode()
        pages.append(listed(html))
        link = re.search(r'id="live_next" href="([^"]+)"', html)
        address = link[1].replace("&amp;", "&") if link else ""
    return pages


def test_a_flood_hides_nobody(log_in: LogIn, webchat: WebChat) -> None:
    operator = StaffFactory(username="another")
    active = SessionFactory.create_batch(3, webchat=webchat, operator=operator)
    oldest = SessionFactory(webchat=webchat)
    flood = SessionFactory.create_batch(205, webchat=webchat)
    newest = SessionFactory(webchat=webchat)
    waiting, taken = [s.pk for s in (oldest, *flood, newest)], [s.pk for s in active]
    client = log_in("operator")
    pages = all_pages(client, "/sessions/live/")
    assert [len(found) for found in pages] == [50, 50, 50, 50, 10]
    assert [pk for found in pages for pk in found] == waiting + taken
    pages = all_pages(client, "/sessions/live/?newest=1")
    assert pages[0][0] == newest.pk
    assert [pk for found in pages for pk in found] == waiting[::-1] + taken[::-1]
    html = page(client)
    assert "160 more conversations" in html
    assert f'data-waiting="207" data-latest="{newest.pk}"' in " ".join(html.split())


def test_a_page_whose_conversations_have_ended_shows_the_first_one(
    log_in: LogIn, webchat: WebChat
) -> None:
    sessions = SessionFactory.create_batch(51, webchat=webchat)
    client = log_in("operator")
    link = re.search(r'id="live_next" href="([^"]+)"', page(client))
    assert link
    assert "1 more conversation\n" in page(client)
    assert listed(client.get(link[1]).content.decode()) == [sessions[-1].pk]
    assert 'id="live_first"' in client.get(link[1]).content.decode()
    conversation.end_session(sessions[-1], by=Party.VISITOR)
    first = client.get(link[1]).content.decode()
    assert listed(first) == [s.pk for s in sessions[:50]]
    assert "live_first" not in first


@pytest.mark.parametrize("after", ["x", "waiting.x", "waiting.", "active.AAAA", "\x00", "ž.ž"])
def test_a_forged_position_shows_the_first_page(log_in: LogIn, after: str) -> None:
    session = SessionFactory()
    answer = log_in("operator").get("/sessions/live/", {"after": after})
    assert listed(answer.content.decode()) == [session.pk]


def test_a_change_on_any_page_is_reported(webchat: WebChat) -> None:
    oldest = SessionFactory(webchat=webchat)
    SessionFactory.create_batch(205, webchat=webchat)
    before = streams.live_state()
    conversation.post_message(oldest, sender=Party.VISITOR, text="Hello?")
    assert streams.live_state() != before


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
