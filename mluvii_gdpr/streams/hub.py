"""Wake the event streams of one process, and read for all of them together.

On PostgreSQL one connection LISTENs. On SQLite one statement every 0.3 seconds checks whether the
file has changed. All woken streams are read by one call in one thread, which then returns its
database connection. A waiting stream therefore uses no connection, and the number of streams does
not matter. Every 10 seconds all streams are read, so that a lost notification causes a delay only.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from mluvii_gdpr.models import EventsProcess
from sessions_app import abandonment, streams
from sessions_app.lock import give_life_signs
from sessions_app.models import Party
from sessions_app.streams import Event, LiveWatch, Watch
from sessions_app.telling import CHANNEL

logger = logging.getLogger(__name__)

#: All in seconds. LOOK: the interval of checks of the SQLite file. GATHER: the time in which woken
#: streams are collected. BEAT: the interval of reads of all streams.
LOOK, GATHER, BEAT = 0.3, 0.02, 10
#: The number of seconds between two signs of life, which /readyz uses to check that event streams
#: are served.
SIGN = 15
#: The number of seconds between two life signs of the watched rooms, and between two sweeps.
MINUTE = 60
#: The maximum number of rooms in one transaction.
ROOMS_AT_ONCE = 500
#: The minimum number of seconds between two notifications of the Live view.
LIVE_PAUSE = 0.5
#: The maximum number of events that wait for a slow browser. Then its stream ends, and the browser
#: reconnects for the rest.
BACKLOG = 100


class Stream:
    """An open stream: what it watches, and a queue of events. None marks the end of the stream."""

    def __init__(self, watch: Watch | LiveWatch) -> None:
        self.watch = watch
        self.waiting: asyncio.Queue[Event | None] = asyncio.Queue()

    def put(self, events: Iterable[Event]) -> None:
        """Add events to the queue. If too many events are waiting, end the stream instead."""
        for event in events:
            if self.waiting.qsize() >= BACKLOG:
                self.end()
                break
            self.waiting.put_nowait(event)
            if event.last:
                self.end()

    def end(self) -> None:
        self.waiting.put_nowait(None)


async def in_database(work: Callable[..., Any], *args: Any) -> Any:
    """Run work that uses the database in its thread, and return the connection to the pool."""

    def run() -> Any:
        try:
            return work(*args)
        finally:
            close_old_connections()

    return await sync_to_async(run)()


class Hub:
    """The open streams of this process, in one event loop."""

    def __init__(self) -> None:
        self.streams: set[Stream] = set()
        self._of_session: dict[int, set[Stream]] = {}
        self._live: set[Stream] = set()
        self._woken: set[Stream] = set()
        self._wake = asyncio.Event()
        self._live_waits = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        listen = self._listen if connection.vendor == "postgresql" else self._look
        steps = (self.deliver, self._beat, self._give_sign, self._mind_rooms, listen)
        for step in steps:
            self._tasks.append(asyncio.create_task(self._keep_on(step)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for stream in list(self.streams):
            stream.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(DatabaseError):
            await in_database(EventsProcess.sign_off, socket.gethostname())

    def add(self, stream: Stream) -> None:
        """Add a stream and read it immediately, because there may be events after its cursor."""
        self.streams.add(stream)
        self._peers(stream).add(stream)
        self._wake_up({stream})

    def remove(self, stream: Stream) -> None:
        self.streams.discard(stream)
        self._woken.discard(stream)
        peers = self._peers(stream)
        peers.discard(stream)
        if not peers and isinstance(stream.watch, Watch):
            self._of_session.pop(stream.watch.session, None)

    def wake(self, session: int) -> None:
        """Read the streams of a session immediately, and those of the Live view soon."""
        self._wake_up(self._of_session.get(session, set()))
        if self._live and not self._live_waits:
            self._live_waits = True
            asyncio.get_running_loop().call_later(LIVE_PAUSE, self._wake_live)

    def wake_all(self) -> None:
        self._wake_up(self.streams)

    def _wake_live(self) -> None:
        self._live_waits = False
        self._wake_up(self._live)

    def _wake_up(self, streams_: set[Stream]) -> None:
        self._woken |= streams_
        if self._woken:
            self._wake.set()

    def _peers(self, stream: Stream) -> set[Stream]:
        if isinstance(stream.watch, LiveWatch):
            return self._live
        return self._of_session.setdefault(stream.watch.session, set())

    async def _keep_on(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step forever, even while the database is unavailable.

        If a step ended, the streams would remain silent.
        """
        while True:
            try:
                await step()
            except Exception:
                logger.exception("event streams wait and try again")
                await asyncio.sleep(1)
                self.wake_all()

    async def deliver(self) -> None:
        """Wait until a stream is woken, and send the new events to all woken streams."""
        await self._wake.wait()
        await asyncio.sleep(GATHER)
        woken, self._woken = self._woken, set()
        self._wake.clear()
        by_watch = {stream.watch: stream for stream in woken}
        for watch, events in await in_database(streams.read, list(by_watch)):
            by_watch[watch].put(events)

    async def _beat(self) -> None:
        await asyncio.sleep(BEAT)
        self.wake_all()

    async def _give_sign(self) -> None:
        """Store a sign of life: the event loop runs, and the database is reachable."""
        await in_database(EventsProcess.give_sign, socket.gethostname())
        await asyncio.sleep(SIGN)

    async def _mind_rooms(self) -> None:
        """Store a life sign of each watched room, then end abandoned conversations.

        A visitor's browser keeps the stream open while it shows the room.
        """
        await asyncio.sleep(MINUTE)
        rooms = {
            stream.watch.session
            for stream in self.streams
            if isinstance(stream.watch, Watch) and stream.watch.side == Party.VISITOR
        }
        await in_database(_mind, sorted(rooms))

    async def _look(self) -> None:
        """On SQLite: wake all streams if the file has changed.

        The version number is specific to the connection that reads it.
        """
        known = None
        while True:
            if self.streams:
                found = await in_database(_file_version)
                if found != known:
                    self.wake_all()
                known = found
            await asyncio.sleep(LOOK)

    async def _listen(self) -> None:
        """On PostgreSQL: wake the streams that a notification concerns.

        After a lost connection, wake all streams.
        """
        parameters = connection.get_connection_params()
        wanted = (
            "dbname",
            "user",
            "password",
            "host",
            "port",
            "service",
            "passfile",
            "connect_timeout",
        )
        kept = {
            name: value
            for name, value in parameters.items()
            if name in wanted or name.startswith("ssl")
        }
        connecting = psycopg.AsyncConnection.connect(**kept, autocommit=True, keepalives_idle=30)
        async with await connecting as listening:
            await listening.execute(f"LISTEN {CHANNEL}")
            self.wake_all()
            async for notification in listening.notifies():
                if notification.payload.isdecimal():
                    self.wake(int(notification.payload))


def _mind(rooms: Sequence[int]) -> None:
    now = timezone.now()
    for first in range(0, len(rooms), ROOMS_AT_ONCE):
        give_life_signs(rooms[first : first + ROOMS_AT_ONCE], at=now)
    since = EventsProcess.trusted_since()
    if since is not None:
        abandonment.sweep(now=now, trusted_since=since, limit=abandonment.SWEEP_LIMIT)


def _file_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])
