"""Read event streams as a browser does, from the application in this process or from a server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync, sync_to_async

from mluvii_gdpr.streams.application import Events
from sessions_app.streams import Event
from tests.server import Server


def parse(text: str) -> list[Event]:
    """Return the events in the text of a stream, without comments and ``retry`` lines."""
    events = []
    for block in text.split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields.setdefault(name, []).append(value)
        if "data" in fields:
            events.append(
                Event(fields["event"][0], "\n".join(fields["data"]), id=fields.get("id", [""])[0])
            )
    return events


class Browser:
    """One request to the application, in this process and on the test's database connection."""

    def __init__(self, app: Events, path: str, **headers: str) -> None:
        path, _, query = path.partition("?")
        sent = {
            "host": "testserver",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.scope = {
            "type": "http", "method": "GET", "path": path, "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        self.app, self.status, self.text, self.ended = app, 0, "", False
        self.headers: dict[str, str] = {}
        self._gone = asyncio.Event()

    async def open(self) -> Browser:
        """Send the request, and let the hub read the new events."""
        self._task = asyncio.create_task(self.app(self.scope, self._receive, self._send))
        while not self.status and not self._task.done():
            await asyncio.sleep(0)
            await sync_to_async(lambda: None)()
        return self

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self._task, 5)

    @property
    def events(self) -> list[Event]:
        return parse(self.text)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)


def scenario(play: Callable[[Events], Awaitable[None]]) -> None:
    """Run a scenario with a new application that uses this thread's database connection."""

    async def run() -> None:
        await play(Events())

    # Otherwise the connection would be closed within the test's transaction.
    with patch("mluvii_gdpr.streams.hub.close_old_connections"):
        async_to_sync(run)()


async def settle(app: Events) -> None:
    """Deliver all new events, as a notification does."""
    app.hub.wake_all()
    if app.hub.streams:
        await app.hub.deliver()
    for _ in range(50):
        await asyncio.sleep(0)


@contextmanager
def listening(server: Server, path: str, **headers: str) -> Iterator[Callable[[int], list[Event]]]:
    """Open a stream of a server. Yield a function that waits for a number of events."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connected:
        connected.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        raw = b""

        def until(count: int) -> list[Event]:
            nonlocal raw
            while len(parse(_unchunked(raw))) < count:
                part = connected.recv(65536)
                assert part, raw
                raw += part
            return parse(_unchunked(raw))

        while b"retry: " not in raw:
            part = connected.recv(65536)
            assert part, raw
            raw += part
        yield until


def _unchunked(raw: bytes) -> str:
    body, text = raw.partition(b"\r\n\r\n")[2], b""
    while b"\r\n" in body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if len(body) < length + 2:
            break
        text, body = text + body[:length], body[length + 2 :]
    return text.decode()
