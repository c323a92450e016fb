"""Test the page of one session: its content for each role."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app import conversation, gate
from sessions_app.models import Attachment, Party, Session
from sessions_app.sharing import MIN_SHARED
from tests.factories import (
    AttachmentFactory,
    ConsentEventFactory,
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.pages import LogIn, compact
from tests.sessions_app.staff.rows import BAD_VALUES, EMAIL, NAME, PHONE, CanaryFactory
from tests.sessions_app.staff.test_export import rows_of
from webchat.models import EntryForm

pytestmark = pytest.mark.django_db

VISIT = gate.Visit(
    ip_address="203.0.113.77",
    user_agent="CanaryBrowser/1",
    landing_page="https://canary.example/landing",
    referrer="https://canary.example/referrer",
    params={"order": "CANARY-ORDER"},
)
PERSONAL = [
    NAME, EMAIL, PHONE, "203.0.113.77", "CanaryBrowser/1", "canary.example/landing", "canary.example/referrer",
    "CANARY-ORDER", "canary message", "canary-file.txt", "canary note", "canary result",
]  # fmt: skip


def full_session() -> Session:
    """Return a session in which every personal field has a value."""
    session = CanaryFactory(visit=VISIT, messages=["canary message"])
    attach(session)
    conversation.set_note(session, note="canary note", result="canary result")
    return session


def attach(session: Session) -> Attachment:
    content, name = b"<script>alert(1)</script>", "canary-file.txt"
    return AttachmentFactory(
        session=session, content=content, original_name=name, content_type="text/html"
    )


def test_personal_data_is_shown_with_the_right_only(log_in: LogIn) -> None:
    session = full_session()
    seen = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    hidden = log_in("administrator").get(f"/sessions/{session.pk}/").content.decode()
    for value in PERSONAL:
        assert value in seen, value
        assert value not in hidden, value
    assert "Hidden: you don&#x27;t have permission to see personal data." in hidden


def test_the_ids_come_first_and_can_be_copied(log_in: LogIn) -> None:
    session = SessionFactory()
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    assert f'data-copy="{session.pk}"' in page
    assert f'data-copy="{session.guest_id}"' in page
    assert page.index("Session ID") < page.index("Transcript")


def test_the_consent_is_shown_with_the_exact_text(log_in: LogIn) -> None:
    session = SessionFactory(language="cs")
    event = session.consent_events.get()
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    assert event.text.body in page
    assert event.text.sha256 in page
    assert f'href="{event.text.get_absolute_url()}"' in page
    assert f'datetime="{session.created_at.isoformat()}"' in page.split('id="consent"')[1]
    assert "/settings/" not in page.split('id="content"')[1]
    assert event.text.version.get_absolute_url() in (
        log_in("administrator").get(f"/sessions/{session.pk}/").content.decode()
    )


def test_only_a_withdrawal_of_consent_has_a_badge(log_in: LogIn) -> None:
    session = SessionFactory()
    client = log_in("support")
    assert "badge" not in card_of(client, session, "consent")
    ConsentEventFactory(session=session, kind="withdrawn")
    assert re.findall(r'class="badge [^>]*>([^<]+)<', card_of(client, session, "consent")) == [
        "Withdrawn"
    ]


def card_of(client: Client, session: Session, name: str) -> str:
    page = client.get(f"/sessions/{session.pk}/").content.decode()
    return page.split(f'<section class="card mb-3" aria-labelledby="{name}">')[1].split(
        "</section>"
    )[0]


def test_a_session_without_consent_says_why(log_in: LogIn) -> None:
    session = SessionFactory(webchat__entry_form=EntryForm.STANDARD, webchat__published=[])
    assert (
        "This session did not ask for consent"
        in log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    )


def test_the_transcript_is_in_the_order_of_time(log_in: LogIn) -> None:
    session = SessionFactory(messages=["the first message"])
    attach(session)
    MessageFactory(session=session, text="the last <b>message</b>")
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    places = [
        page.index(t)
        for t in ("the first message", "canary-file.txt", "the last &lt;b&gt;message&lt;/b&gt;")
    ]
    assert places == sorted(places)


def test_the_buttons_are_shown_with_the_right_only(log_in: LogIn) -> None:
    session = SessionFactory()
    links = [
        f'href="/sessions/{session.pk}/anonymize/"',
        f'href="/guests/{session.guest_id}/anonymize/"',
    ]
    for role, shown in {
        "support": True,
        "officer": True,
        "operator": False,
        "administrator": False,
    }.items():
        page = log_in(role).get(f"/sessions/{session.pk}/").content.decode()
        head = page.split('class="page-headline"')[1].split('class="page-body"')[0]
        for part in (head, page.split('class="page-body"')[1]):
            assert [link in part for link in links] == [shown, shown], role


def test_an_anonymized_session_says_in_which_month_and_no_more(log_in: LogIn) -> None:
    session = full_session()
    ErasureFactory(subject=session, requested_by=StaffFactory(role="officer"))
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    for value in (
        f"Anonymized in {timezone.localdate():%B %Y}.",
        "Messages: 1, files: 1.",
    ):
        assert value in page
    for value in (*PERSONAL, "by officer", "(Command)", "/anonymize/"):
        assert value not in page
    assert re.findall('href="(/erasures/[^"]*)"', page) == ["/erasures/"], "the menu's"


@pytest.mark.parametrize("messages", [1, 30])
def test_the_number_of_queries_does_not_grow(log_in: LogIn, messages: int) -> None:
    session = SessionFactory(messages=["Hello"] * messages)
    client = log_in("support")
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/sessions/{session.pk}/")
    assert len(queries) <= 11


def test_the_transcript_alone_is_sent_when_it_changed(log_in: LogIn) -> None:
    session = SessionFactory()
    client = log_in("operator")
    url = f"/sessions/{session.pk}/transcript/"
    first = client.get(url)
    seen = first.context["state"]
    assert client.get(url, {"seen": seen}).status_code == 204
    MessageFactory(session=session, text="hello there")
    fetched = compact(client.get(url, {"seen": seen}))
    assert "hello there" in fetched
    assert "<dt>Visitor messages</dt><dd>1</dd>" in fetched, "the facts come along"
    conversation.end_session(session, by=Party.VISITOR)
    over = client.get(url, {"seen": seen}, headers={"HX-Request": "true"})
    assert over.status_code == 286
    assert "The conversation has ended." in over.content.decode()
    assert client.get(url).status_code == 200


def test_the_transcript_alone_needs_the_right(log_in: LogIn) -> None:
    session = SessionFactory()
    assert log_in("administrator").get(f"/sessions/{session.pk}/transcript/").status_code == 403


def test_a_file_is_a_download_and_never_a_page(log_in: LogIn) -> None:
    attachment = attach(SessionFactory())
    url = f"/sessions/{attachment.session_id}/files/{attachment.pk}/"
    response = log_in("support").get(url)
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]
    assert log_in("administrator").get(url).status_code == 403


def test_a_file_of_another_session_is_not_found(log_in: LogIn) -> None:
    attachment = attach(SessionFactory())
    other = SessionFactory(email="other@example.com")
    assert log_in("support").get(f"/sessions/{other.pk}/files/{attachment.pk}/").status_code == 404


@pytest.mark.parametrize("value", [*BAD_VALUES[1:], "00", "01", str(2**63 - 1), "１２"])
@pytest.mark.parametrize(
    "path", ["/sessions/{}/", "/sessions/{}/transcript/", "/sessions/{}/files/1/", "/guests/{}/"]
)
def test_a_bad_id_is_not_found(log_in: LogIn, path: str, value: str) -> None:
    from urllib.parse import quote

    SessionFactory()
    assert (
        log_in("support")
        .get(path.format(quote(value.encode("utf-8", "surrogatepass"))))
        .status_code
        == 404
    )


@pytest.mark.parametrize(
    ("precision", "iso", "words"),
    [
        ("day", "%Y-%m-%d", "%-d %b %Y"),
        ("week", "%G-W%V", "week of %-d %b %Y"),
        ("month", "%Y-%m", "%B %Y"),
    ],
)
def test_an_anonymized_session_and_guest_show_what_was_rounded_to_and_no_false_time(
    log_in: LogIn, settings: Any, precision: str, iso: str, words: str
) -> None:
    settings.ERASURE_TIME_PRECISION = precision
    session = SessionFactory(ended=True)
    pages = [f"/sessions/{session.pk}/", f"/guests/{session.guest_id}/", "/sessions/"]
    client = log_in("officer")
    started = f"{timezone.localtime(session.created_at):%-d %b %Y, %H:%M}"
    for path in pages:
        assert started in client.get(path).content.decode()

    ErasureFactory(subject=session)

    session.refresh_from_db()
    midnight = timezone.localtime(session.created_at)
    for path in pages:
        html = client.get(path).content.decode()
        assert f'<time datetime="{midnight:{iso}}">{midnight:{words}}</time>' in html, path
        assert ", 00:00" not in html, path
    (row,) = rows_of(client.get("/sessions/export/"))
    assert row["Started"] == f"{midnight:{iso}}"
    assert f"{midnight:{words}}</time>(Chat)" in compact(client.get(pages[0]))


def test_page_and_csv_show_the_band_of_an_anonymized_duration(log_in: LogIn) -> None:
    operator, webchat = StaffFactory(role="operator"), WebChatFactory()
    sessions = SessionFactory.create_batch(
        MIN_SHARED, webchat=webchat, operator=operator, ended=True
    )
    exact = {"waited": timedelta(minutes=7), "duration": timedelta(minutes=20, seconds=5)}
    Session.objects.update(**exact)
    client, path = log_in("officer"), f"/sessions/{sessions[0].pk}/"
    page = compact(client.get(path))
    assert ">7 min<" in page
    assert "20 min 5 s" in page

    ErasureFactory(subject=sessions[0])

    page = compact(client.get(path))
    assert "5–15 min" in page
    assert "15–30 min" in page
    client.post("/sessions/columns/", {"columns": ["id", "duration"]})
    durations = {
        row["Session ID"]: row["Duration"] for row in rows_of(client.get("/sessions/export/"))
    }
    assert durations.pop(str(sessions[0].pk)) == "15–30 min"
    assert set(durations.values()) == {"0:20:05"}
