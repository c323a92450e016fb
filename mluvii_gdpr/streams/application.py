"""The event streams, an ASGI application.

| Path | Who | Content | |---|---|---| | ``/events/room/<secret>/`` | anyone with the room's secret;
no cookie | lines and end of the conversation | | ``/events/session/<id>/`` | staff, by their login
cookie | a conversation has changed | | ``/events/live/`` | staff, by their login cookie | the list
of open conversations has changed | | ``/events/livez`` | anyone | ``ok`` while the process serves |

``sessions_app/streams.py`` describes the content of a stream, and how to add a kind of event.

A stream begins after the event id that the browser sends (``Last-Event-ID``, or ``?after=`` for the
first time). It ends after some minutes, so that the load is spread over the processes, and the
browser reconnects. Requests are not logged. Status codes of refused requests:

- 403: no login, no permission, or a page of another site
- 404: there is no such room or session, or it was revoked
- 429: too many streams of one room or one login
- 503: too many streams in this process, or a database that does not match its ledger
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.db import Error

from mluvii_gdpr.readiness import report_at_start
from mluvii_gdpr.streams.admission import LIVEZ, Asked, Refused, Scope, admit
from mluvii_gdpr.streams.hub import Hub, Stream, in_database
from sessions_app.streams import LiveWatch, Watch

logger = logging.getLogger(__name__)
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: In seconds. HEARTBEAT: the interval of comments, which reveal a dead connection. LIFE: the range
#: of the maximum lifetime of a stream.
HEARTBEAT, LIFE = 15.0, (240.0, 360.0)
#: The number of milliseconds after which a browser reconnects.
RETRY = 1500


class Events:
    """The application, with one hub for all streams of the process."""

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
        await in_database(report_at_start)
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
            watch, owner, limit = await in_database(admit, asked)
            await self._stream(watch, asked, receive, send, owner=owner, limit=limit)
        except Refused as refusal:
            await _respond(send, refusal.status, asked)
        except Error:
            logger.exception("a stream could not be opened")
            await _respond(send, 503, asked)

    async def _stream(
        self,
        watch: Watch | LiveWatch,
        asked: Asked,
        receive: Receive,
        send: Send,
        *,
        owner: str,
        limit: int,
    ) -> None:
        """Send the events of a stream.

        It ends with the last event, at its maximum lifetime, or if the browser disconnects.
        """
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


async def _end_when_gone(stream: Stream, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


async def _pass_on(stream: Stream, send: Send) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + random.uniform(*LIFE)  # noqa: S311  This number is not a secret.
    while (left := end - loop.time()) > 0:
        try:
            event = await asyncio.wait_for(stream.waiting.get(), timeout=min(HEARTBEAT, left))
        except TimeoutError:
            await _chunk(send, ": still here\n\n")
            continue
        if event is None:
            return
        # Split lines like browsers do (HTML, 9.2.6). Python's splitlines has more kinds of line
        # ends.
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
