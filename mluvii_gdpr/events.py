"""The event streams, an ASGI application in a process of its own: ``gunicorn --config gunicorn.events.py``.

| address | who | what |
|---|---|---|
| ``/events/room/<secret>/`` | who holds the room's secret; no cookie | the lines of the conversation, and its end |
| ``/events/session/<id>/`` | staff by their log-in's cookie | that something has changed in a conversation |
| ``/events/live/`` | staff by their log-in's cookie | that the list of open conversations has changed |
| ``/events/livez`` | anybody | ``ok`` while the process serves |

Pages and all that changes anything stay on WSGI (``mluvii_gdpr/wsgi.py``), whose threads a stream would occupy.
What a stream says, and how another kind of event is added: ``sessions_app/streams.py``.

A stream begins behind the id that the browser knows (``Last-Event-ID``, or ``?after=`` at the first time) and ends
after some minutes, so that load spreads over processes; the browser comes back by itself. 403 no log-in, no right or
another site's page, 404 nothing there or revoked, 429 too many streams of one room or one log-in, 503 too many in
this process or a database that the ledger does not know. Nothing is logged of a request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

import django
from django.conf import settings
from django.http.request import split_domain_port, validate_host

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mluvii_gdpr.settings")
django.setup(set_prefix=False)

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY  # noqa: E402  needs the apps
from django.contrib.auth.models import User  # noqa: E402
from django.db import Error  # noqa: E402
from django.utils.crypto import constant_time_compare  # noqa: E402

from mluvii_gdpr.hub import Hub, Stream, in_database  # noqa: E402
from mluvii_gdpr.readiness import ledger_problems  # noqa: E402
from sessions_app.masking import SEE_PERSONAL_DATA  # noqa: E402
from sessions_app.models import Party, Session  # noqa: E402
from sessions_app.streams import Cursor, LiveWatch, Watch  # noqa: E402
from sessions_app.ticket import room_key  # noqa: E402

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROOM = re.compile(r"/events/room/([0-9a-f]{64})/")
SESSION = re.compile(r"/events/session/([1-9][0-9]{0,17})/")
LIVE, LIVEZ = "/events/live/", "/events/livez"
#: Seconds: between two signs of life, after which a dead connection is noticed; the longest life of a stream.
HEARTBEAT, LIFE = 15.0, (240.0, 360.0)
#: After how many milliseconds a browser that lost its stream comes back.
RETRY = 1500
#: Open streams of one room (its tabs) and of one log-in.
PER_ROOM, PER_LOG_IN = 8, 30


class Refused(Exception):
    """A request that gets no stream; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Events:
    """The application: one hub for all streams of the process."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._by_owner: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.hub = Hub()
        await self.hub.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked(scope)
        try:
            asked.require_get_of_our_own()
            if scope["path"] == LIVEZ:
                await _respond(send, 200, asked, body=b"ok\n")
                return
            if len(self.hub.streams) >= settings.EVENTS_MAX_STREAMS:
                raise Refused(503)
            watch, owner, limit = await in_database(_admit, asked)
            await self._stream(watch, asked, receive, send, owner=owner, limit=limit)
        except Refused as refusal:
            await _respond(send, refusal.status, asked)
        except Error:
            logger.exception("a stream could not be opened")
            await _respond(send, 503, asked)

    async def _stream(
        self, watch: Watch | LiveWatch, asked: Asked, receive: Receive, send: Send, *, owner: str, limit: int
    ) -> None:
        """Send what the hub puts into the stream until its last event, its time is over, or nobody is there."""
        if self._by_owner.get(owner, 0) >= limit:
            raise Refused(429)
        self._by_owner[owner] = self._by_owner.get(owner, 0) + 1
        stream = Stream(watch)
        gone = asyncio.create_task(_end_when_gone(stream, receive))
        self.hub.add(stream)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [*asked.headers("text/event-stream")],
                }
            )
            await _chunk(send, f"retry: {RETRY}\n\n")
            await _pass_on(stream, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.hub.remove(stream)
            gone.cancel()
            self._by_owner[owner] -= 1
            if not self._by_owner[owner]:
                del self._by_owner[owner]


class Asked:
    """What of a request counts."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self._headers = {name: value.decode("latin-1") for name, value in scope["headers"]}

    def header(self, name: bytes) -> str:
        return self._headers.get(name, "")

    @property
    def after(self) -> str:
        """Return the last event that the browser knows."""
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        return self.header(b"last-event-id") or query.get("after", [""])[0]

    @property
    def session_key(self) -> str:
        cookies: SimpleCookie = SimpleCookie()
        cookies.load(self.header(b"cookie")[:4096])
        morsel = cookies.get(settings.SESSION_COOKIE_NAME)
        return morsel.value if morsel else ""

    def require_get_of_our_own(self) -> None:
        """Refuse other methods, unknown hosts, and pages of other sites, which may read nothing here."""
        host = split_domain_port(self.header(b"host"))[0]
        if not host or not validate_host(host, settings.ALLOWED_HOSTS):
            raise Refused(400)
        if self.scope["method"] != "GET":
            raise Refused(405)
        if self.header(b"sec-fetch-site") == "cross-site" or not self._is_own_origin():
            raise Refused(403)

    def _is_own_origin(self) -> bool:
        """Say whether the page that asks is ours: of this address, or of one that the setting names."""
        origin = self.header(b"origin")
        same = {f"{scheme}://{self.header(b'host')}" for scheme in ("http", "https")}
        return not origin or origin in same or origin in settings.EVENTS_ORIGINS

    def headers(self, content_type: str) -> Iterator[tuple[bytes, bytes]]:
        yield b"content-type", content_type.encode()
        yield b"cache-control", b"no-store"
        yield b"x-content-type-options", b"nosniff"
        yield b"referrer-policy", b"no-referrer"
        # nginx then hands each event on at once.
        yield b"x-accel-buffering", b"no"
        yield b"vary", b"Origin, Cookie"
        if self.header(b"origin") in settings.EVENTS_ORIGINS:
            yield b"access-control-allow-origin", self.header(b"origin").encode()
            if not ROOM.fullmatch(self.path):
                yield b"access-control-allow-credentials", b"true"


def _admit(asked: Asked) -> tuple[Watch | LiveWatch, str, int]:
    """Return what the request may watch, to whom the stream counts, and how many these may have.

    Raises:
        Refused
    """
    if ledger_problems():
        raise Refused(503)
    if room := ROOM.fullmatch(asked.path):
        return _room_watch(room[1], asked), f"room {room_key(room[1])}", PER_ROOM
    key = asked.session_key
    if asked.path == LIVE:
        allowed = partial(_is_staff, key, ("sessions_app.see_sessions",))
        watch: Watch | LiveWatch = LiveWatch(seen=asked.after, allowed=allowed)
    elif found := SESSION.fullmatch(asked.path):
        allowed = partial(_is_staff, key, ("sessions_app.see_sessions", SEE_PERSONAL_DATA))
        cursor = Cursor.parse(asked.after)
        watch = Watch(side=Party.OPERATOR, session=int(found[1]), cursor=cursor, allowed=allowed)
    else:
        raise Refused(404)
    if not allowed():
        raise Refused(403)
    if isinstance(watch, Watch) and not Session.objects.filter(pk=watch.session, anonymized_at=None).exists():
        raise Refused(404)
    return watch, f"log-in {key}", PER_LOG_IN


def _room_watch(token: str, asked: Asked) -> Watch:
    key = room_key(token)
    session = Session.objects.filter(room_key=key, anonymized_at=None).only("pk").first()
    if session is None:
        raise Refused(404)
    cursor = Cursor.parse(asked.after)
    return Watch(side=Party.VISITOR, session=session.pk, cursor=cursor, token=token, room_key=key)


def _is_staff(session_key: str, permissions: tuple[str, ...]) -> bool:
    """Say whether a log-in stands now, of an active user with these permissions and an unchanged password.

    Changes nothing: Django's own ``get_user`` gives a log-in of before a change of SECRET_KEY another key, of which
    the browser would not learn here.
    """
    if not session_key:
        return False
    log_in = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=log_in.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return False
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    known = str(log_in.get(HASH_SESSION_KEY, ""))
    return any(constant_time_compare(known, one) for one in hashes) and user.has_perms(permissions)


async def _end_when_gone(stream: Stream, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


async def _pass_on(stream: Stream, send: Send) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + random.uniform(*LIFE)  # noqa: S311  no secret
    while (left := end - loop.time()) > 0:
        try:
            event = await asyncio.wait_for(stream.waiting.get(), timeout=min(HEARTBEAT, left))
        except TimeoutError:
            await _chunk(send, ": still here\n\n")
            continue
        if event is None:
            return
        # As browsers split it (HTML, 9.2.6); Python's splitlines knows more ends of lines.
        data = re.split(r"\r\n|\r|\n", event.data)
        lines = [f"event: {event.name}", *(f"data: {line}" for line in data)]
        await _chunk(send, "\n".join([f"id: {event.id}", *lines] if event.id else lines) + "\n\n")


async def _chunk(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _respond(send: Send, status: int, asked: Asked, *, body: bytes = b"") -> None:
    headers = [*asked.headers("text/plain"), (b"content-length", str(len(body)).encode())]
    if status in {429, 503}:
        headers.append((b"retry-after", b"10"))
    if status == 405:
        headers.append((b"allow", b"GET"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


application = Events()
