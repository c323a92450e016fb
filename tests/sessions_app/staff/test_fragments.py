"""Test the fragments that an open page fetches: changes, refusals and expired logins."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Source
from sessions_app import conversation
from sessions_app.models import Attachment, Party, Session
from sessions_app.streams import live_state
from tests.factories import SessionFactory, StaffFactory, WebChatFactory
from tests.pages import compact, submit

pytestmark = pytest.mark.django_db
LogIn = Callable[[str], Client]
HTMX = {"HX-Request": "true"}
FRAGMENTS = ["/sessions/", "/sessions/live/", "/sessions/{}/transcript/", "/guests/find/"]


def send_file(session: Session, sender: Party) -> Attachment:
    return conversation.attach_file(
        session,
        sender=sender,
        upload=ContentFile(b"x"),
        original_name="invoice.txt",
        content_type="text/plain",
        size=1,
    )


def accept(session: Session) -> None:
    conversation.accept_session(session, operator=User.objects.get(username="operator"))


#: Events of a conversation, and the text that the fragment shows after each.
NEWS: dict[str, tuple[Callable[[Session], Any], str]] = {
    "visitor's file": (lambda s: send_file(s, Party.VISITOR), "invoice.txt"),
    "operator's file": (lambda s: send_file(s, Party.OPERATOR), "invoice.txt"),
    "visitor's message": (
        lambda s: conversation.post_message(s, sender=Party.VISITOR, text="Hello"),
        "Hello",
    ),
    "operator's message": (
        lambda s: conversation.post_message(s, sender=Party.OPERATOR, text="Hello"),
        "Hello",
    ),
    "operator": (accept, "<dd>operator</dd>"),
    "end": (lambda s: conversation.end_session(s, by=Party.VISITOR), "The conversation has ended."),
    "erasure": (
        lambda s: engine.erase(s, requester=recording.Requester(Source.COMMAND)),
        "Content deleted, fields cleared.",
    ),
}


@pytest.mark.parametrize("news", NEWS)
def test_the_operators_page_learns_by_its_fragment(log_in: LogIn, news: str) -> None:
    happen, shown = NEWS[news]
    session, client = SessionFactory(), log_in("operator")
    page = client.get(f"/sessions/{session.pk}/").content.decode()
    address = re.search(
        r'<div id="transcript"[^>]* hx-get="([^"]+)"[^>]* hx-include="#transcript_seen"', page
    )
    seen = re.search(r'id="transcript_seen" name="seen" value="([^"]+)"', page)
    assert address
    assert seen
    before = client.get(address[1], {"seen": seen[1]}, headers=HTMX)
    assert (before.status_code, before.content) == (204, b"")
    happen(session)
    after = client.get(address[1], {"seen": seen[1]}, headers=HTMX)
    assert after.status_code in {200, 286}
    assert shown in compact(after)
    assert seen[0] not in after.content.decode(), "the page is told what it shows now"


def test_a_sent_file_can_be_opened_from_the_fragment(log_in: LogIn) -> None:
    session = SessionFactory()
    file = send_file(session, Party.VISITOR)
    part = compact(log_in("operator").get(f"/sessions/{session.pk}/transcript/", headers=HTMX))
    assert f'<a href="/sessions/{session.pk}/files/{file.pk}/">invoice.txt</a>' in part


@pytest.mark.parametrize("news", [name for name in NEWS if name != "erasure"])
def test_the_live_view_learns_by_its_state(log_in: LogIn, news: str) -> None:
    session, _operator = SessionFactory(), log_in("operator")
    before = live_state()
    assert live_state() == before
    NEWS[news][0](session)
    assert live_state() != before


def test_the_visitors_fragment_shows_a_file(client: Client) -> None:
    room = submit(client, WebChatFactory()).headers["Location"]
    file = send_file(Session.objects.get(), Party.OPERATOR)
    part = client.get(f"{room}transcript/").content.decode()
    assert f'href="{room}files/{file.pk}/"' in part


@pytest.mark.parametrize(
    ("fragment", "role"),
    [
        *((fragment, "stranger") for fragment in FRAGMENTS),
        # A reader without the right to see people may open the page, but not these fragments.
        ("/sessions/{}/transcript/", "administrator"),
        ("/guests/find/", "administrator"),
    ],
)
def test_without_the_right_a_fragment_is_refused_and_reloads_nothing(
    log_in: LogIn, fragment: str, role: str
) -> None:
    """A reload may be allowed. The page would then request the refused fragment forever."""
    answer = log_in(role).get(fragment.format(SessionFactory().pk), headers=HTMX)
    assert answer.status_code == 403
    assert not {"HX-Refresh", "HX-Redirect", "HX-Location", "Refresh", "Location"} & set(
        answer.headers
    )


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_without_a_log_in_the_page_is_loaded_whole_and_leads_to_the_log_in(
    client: Client, fragment: str
) -> None:
    session = SessionFactory()
    assert client.get(fragment.format(session.pk), headers=HTMX).headers["HX-Refresh"] == "true"
    page = fragment.format(session.pk).removesuffix("transcript/")
    whole = client.get(page)
    assert (whole.status_code, whole.headers["Location"]) == (302, f"/accounts/login/?next={page}")
    assert "HX-Refresh" not in whole.headers


def test_the_live_view_learns_that_another_operator_has_it() -> None:
    session, one, other = (
        SessionFactory(),
        StaffFactory(username="one"),
        StaffFactory(username="other"),
    )
    conversation.accept_session(session, operator=one)
    before = live_state()
    Session.objects.filter(pk=session.pk).update(operator=other)
    assert live_state() != before
