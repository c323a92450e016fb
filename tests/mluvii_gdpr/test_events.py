"""Test the access to event streams, their duration, and foreign origins, without a server."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from mluvii_gdpr.streams import admission, application, hub
from mluvii_gdpr.streams.application import Events
from sessions_app import conversation, streams
from sessions_app.models import Party, Session
from tests.events import Browser, scenario, settle
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn, submit

pytestmark = pytest.mark.django_db
PAGES = "https://chat.example.com"


@pytest.fixture
def room() -> str:
    """Return the path of the event stream of a room."""
    return f"/events/room/{submit(Client(), WebChatFactory()).headers['Location'].split('/')[2]}/"


def cookie(client: Client) -> str:
    morsel = client.cookies.get(django_settings.SESSION_COOKIE_NAME)
    return f"{django_settings.SESSION_COOKIE_NAME}={morsel.value}" if morsel else ""


def status_of(path: str, **headers: str) -> int:
    """Open a stream, close it, and return the status."""
    found = []

    async def play(app: Events) -> None:
        browser = await Browser(app, path, **headers).open()
        found.append(browser.status)
        if browser.status == 200:
            await browser.leave()
        assert not app.hub.streams
        assert not app._by_owner

    scenario(play)
    return found[0]


def test_a_message_arrives_and_the_stream_ends_with_the_conversation(room: str) -> None:
    async def play(app: Events) -> None:
        browser = await Browser(app, room).open()
        assert (browser.status, browser.headers["content-type"]) == (200, "text/event-stream")
        assert browser.headers["x-accel-buffering"] == "no"
        session = await Session.objects.aget()
        await sync_to_async(conversation.post_message)(
            session, sender=Party.OPERATOR, text="Good day\r\n<b>"
        )
        await settle(app)
        assert "Good day\n&lt;b&gt;" in browser.events[0].data
        await sync_to_async(conversation.end_session)(session, by=Party.OPERATOR)
        await settle(app)
        assert browser.events[-1].name == "ended"
        assert browser.ended
        assert not app.hub.streams

    scenario(play)


def test_rooms_are_known_by_their_secret_until_it_is_revoked(room: str) -> None:
    assert status_of(room) == 200
    assert status_of(f"/events/room/{'0' * 64}/") == 404
    for path in (
        "/events/",
        "/events/room/x/",
        "/events/room/",
        room[:-1],
        room.upper(),
        "/livez",
        "/sessions/",
    ):
        assert status_of(path) == 404, path
    ErasureFactory(subject=Session.objects.get())
    assert status_of(room) == 404


@pytest.mark.parametrize(
    ("role", "live", "session"),
    [
        ("", 403, 403),
        ("stranger", 403, 403),
        ("administrator", 200, 403),
        ("support", 200, 200),
        ("operator", 200, 200),
    ],
)
def test_streams_of_staff_go_by_their_log_in_and_rights(
    log_in: LogIn, role: str, live: int, session: int
) -> None:
    pk, sent = SessionFactory().pk, cookie(log_in(role))
    assert status_of("/events/live/", cookie=sent) == live
    assert status_of(f"/events/session/{pk}/", cookie=sent) == session
    if session == 200:
        assert status_of("/events/session/999999/", cookie=sent) == 404
    for other in (
        "",
        "sessionid=",
        "sessionid=forged",
        "sessionid=\udcff".encode("utf-8", "replace").decode(),
    ):
        assert status_of("/events/live/", cookie=other) == 403


@pytest.mark.parametrize("way", ["logged out", "password changed", "deactivated", "right taken"])
def test_a_stream_of_staff_ends_with_their_log_in(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(streams, "RECHECK", 0)
    SessionFactory()
    client = log_in("operator")
    user = User.objects.get(username="operator")

    def lose() -> None:
        if way == "logged out":
            client.logout()
        elif way == "password changed":
            user.set_password("x")
            user.save()
        elif way == "deactivated":
            User.objects.update(is_active=False)
        else:
            user.groups.clear()

    async def play(app: Events) -> None:
        browser = await Browser(app, "/events/live/", cookie=cookie(client)).open()
        await settle(app)
        assert [event.name for event in browser.events] == ["changed"]
        await sync_to_async(lose)()
        await settle(app)
        assert [event.name for event in browser.events] == ["changed", "denied"]
        assert browser.ended

    scenario(play)


def test_a_log_in_outlives_a_change_of_the_secret_key(log_in: LogIn, settings: Any) -> None:
    client = log_in("operator")
    key = client.session.session_key
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, [settings.SECRET_KEY]
    assert status_of("/events/live/", cookie=cookie(client)) == 200
    assert client.session.session_key == key
    assert client.session.exists(key)
    settings.SECRET_KEY_FALLBACKS = []
    assert status_of("/events/live/", cookie=cookie(client)) == 403


def test_only_get_of_a_known_host_by_a_page_of_ours(room: str, settings: Any) -> None:
    settings.EVENTS_ORIGINS = [PAGES]
    settings.ALLOWED_HOSTS = ["testserver"]
    assert status_of(room, host="evil.example") == 400
    assert status_of(room, origin="https://evil.example") == 403
    assert status_of(room, origin="null") == 403
    assert status_of(room, sec_fetch_site="cross-site") == 403
    assert status_of(room, origin="http://testserver") == 200
    assert status_of(room, origin=PAGES, sec_fetch_site="same-site") == 200

    async def post(app: Events) -> None:
        browser = Browser(app, room)
        browser.scope["method"] = "POST"
        assert (await browser.open()).status == 405
        assert browser.headers["allow"] == "GET"

    scenario(post)


def test_only_pages_of_ours_may_read_from_another_origin_and_only_staff_with_cookies(
    room: str, settings: Any, log_in: LogIn
) -> None:
    settings.EVENTS_ORIGINS = [PAGES]

    async def play(app: Events) -> None:
        visitor = await Browser(app, room, origin=PAGES).open()
        assert visitor.headers["access-control-allow-origin"] == PAGES
        assert "access-control-allow-credentials" not in visitor.headers
        sent = await sync_to_async(lambda: cookie(log_in("operator")))()
        staff = await Browser(app, "/events/live/", origin=PAGES, cookie=sent).open()
        assert staff.headers["access-control-allow-credentials"] == "true"
        same = await Browser(app, room).open()
        assert "access-control-allow-origin" not in same.headers
        for browser in (visitor, staff, same):
            await browser.leave()

    scenario(play)


def test_streams_are_limited_by_room_and_by_process(
    room: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PER_ROOM", 2)
    settings.EVENTS_MAX_STREAMS = 3
    webchat = WebChatFactory()
    others = [
        submit(Client(), webchat, email=f"{n}@example.com").headers["Location"] for n in range(2)
    ]

    async def play(app: Events) -> None:
        tabs = [await Browser(app, room).open() for _ in range(3)]
        assert [tab.status for tab in tabs] == [200, 200, 429]
        assert tabs[2].headers["retry-after"]
        first, second = [
            await Browser(app, f"/events{o.replace('/r/', '/room/')}").open() for o in others
        ]
        assert (first.status, second.status) == (200, 503)
        await tabs[0].leave()
        assert (await Browser(app, room).open()).status == 200
        for stream in list(app.hub.streams):
            stream.end()

    scenario(play)


def test_a_closed_installation_opens_no_stream(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ledger_problems", lambda: ["ledger.behind"])
    assert status_of(room) == 503


def test_a_stream_shows_life_and_ends_by_itself(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "HEARTBEAT", 0.01)
    monkeypatch.setattr(application, "LIFE", (0.05, 0.05))

    async def play(app: Events) -> None:
        browser = await Browser(app, room).open()
        await browser._task
        assert browser.text.startswith("retry: ")
        assert ": still here\n\n" in browser.text
        assert browser.ended

    scenario(play)


def test_a_browser_that_does_not_read_loses_its_stream_and_not_its_place(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BACKLOG", 2)

    async def play(app: Events) -> None:
        session = await Session.objects.aget()
        for number in range(5):
            await sync_to_async(conversation.post_message)(
                session, sender=Party.OPERATOR, text=f"text {number}"
            )
        told: list[str] = []
        path = room
        for _ in range(3):
            browser = await Browser(app, path).open()
            await settle(app)
            told += [event.data for event in browser.events]
            path = f"{room}?after={browser.events[-1].id}"
            await browser.leave()
        assert [f"text {number}" in told[number] for number in range(5)] == [True] * 5
        assert len(told) == 5

    scenario(play)


def test_a_database_that_is_away_ends_no_stream(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was woken without success is woken again."""

    async def play(app: Events) -> None:
        browser = await Browser(app, room).open()
        await settle(app)
        steps = []

        async def step() -> None:
            steps.append(len(steps))
            if len(steps) == 1:
                raise OSError("away")
            raise KeyboardInterrupt

        monkeypatch.setattr(hub.asyncio, "sleep", _no_sleep)
        with pytest.raises(KeyboardInterrupt):
            await app.hub._keep_on(step)
        monkeypatch.undo()
        assert steps == [0, 1]
        assert app.hub._woken == app.hub.streams
        await browser.leave()

    scenario(play)


async def _no_sleep(_seconds: float) -> None:
    return None


def test_no_log_line_holds_the_secret_of_a_room(
    room: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status_of(room)
    status_of(room, origin="https://evil.example")
    assert room.split("/")[3] not in caplog.text
