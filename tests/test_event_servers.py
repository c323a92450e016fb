"""Test several processes of the event streams that share one database."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from mluvii_gdpr.models import EventsProcess
from sessions_app.models import Party, Session
from tests.events import listening
from tests.factories import ErasureFactory, MessageFactory, WebChatFactory
from tests.pages import submit
from tests.server import EVENTS, Server, on_this_database, served


@pytest.mark.django_db(transaction=True)
def test_two_processes_on_one_database_tell_what_a_third_does_and_hold_no_connection(
    tmp_path: Path, client: Client
) -> None:
    room = submit(client, WebChatFactory()).headers["Location"]
    session, path = Session.objects.get(), f"/events/room/{room.split('/')[2]}/"
    environment = on_this_database()
    with (
        served(tmp_path, config=EVENTS, **environment) as one,
        served(tmp_path, config=EVENTS, **environment) as other,
        listening(one, path) as first,
        listening(other, path) as second,
    ):
        MessageFactory(session=session, sender=Party.OPERATOR, text="Good day")
        for heard in (first, second):
            assert "Good day" in heard(1)[0].data
        with listening(one, path, Last_Event_ID=first(1)[0].id) as again:
            MessageFactory(session=session, text="and to you")
            assert ["and to you" in event.data for event in again(1)] == [True]
        # Otherwise the erasure may be first, and the line is no longer sent.
        for heard in (first, second):
            assert "and to you" in heard(2)[1].data
        ErasureFactory(subject=session)
        for heard in (first, second):
            assert heard(3)[-1].name == "erased"
        if connection.vendor == "postgresql":
            _expect_few_connections(one, client)
        for server in (one, other):
            assert room.split("/")[2] not in server.said.read_text()
        assert EventsProcess.objects.alive().filter(host=socket.gethostname()).count() == 1
    assert not EventsProcess.objects.exists(), "they stopped on purpose"


def _expect_few_connections(server: Server, client: Client) -> None:
    """Open 48 streams. Each process uses one listening and at most two reading connections."""
    with ExitStack() as waiting:
        webchat = WebChatFactory()
        for number in range(6):
            room = submit(client, webchat, email=f"{number}@example.com").headers["Location"]
            for _ in range(8):
                waiting.enter_context(listening(server, f"/events{room.replace('/r/', '/room/')}"))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE query LIKE 'LISTEN%%') FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> ALL(%s)",
                [own_connections()],
            )
            connections, processes = cursor.fetchone()
        # The count may include a server of the browser tests.
        assert 2 <= processes <= 3
        assert connections <= 3 * processes


def own_connections() -> list[int]:
    """Return the backend ids of this process's connections."""
    pool = connection.pool  # type: ignore[attr-defined]
    return [connection.connection.info.backend_pid, *(c.info.backend_pid for c in pool._pool)]
