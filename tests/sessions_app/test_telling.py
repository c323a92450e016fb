"""Test that PostgreSQL notifies the event streams of each change, with a primary key only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, transaction

from sessions_app import conversation
from sessions_app.telling import CHANNEL
from tests.factories import (
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.server import on_this_database
from tests.test_writers import WRITERS, ready_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


#: Writers without a notification, because no page shows their change.
SILENT = {"give_feedback", "forget_signals"}


@pytest.fixture
def told() -> Iterator[Callable[[], set[str]]]:
    """Return a function that returns the notifications since its last call."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite tells nothing; its file is looked at.")
    with psycopg.connect(on_this_database()["DATABASE_URL"], autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")

        def new() -> set[str]:
            # All changes committed before this statement have arrived with its answer.
            listening.execute("SELECT 1")
            return {notification.payload for notification in listening.notifies(timeout=0)}

        yield new


def test_every_change_of_an_open_conversation_is_told(told: Callable[[], set[str]]) -> None:
    webchat, operator = WebChatFactory(), StaffFactory()
    for name, write in WRITERS.items():
        session = SessionFactory(webchat=webchat, new_guest=True)
        assert told() == {str(session.pk)}, "the gate"
        ready_for(name, session, operator)
        told()
        write(session, operator)
        assert told() == ({str(session.pk)} if name not in SILENT else set()), name
    for erased in ("session", "guest"):
        session = SessionFactory(webchat=webchat, new_guest=True)
        told()
        ErasureFactory(subject=session if erased == "session" else session.guest)
        assert str(session.pk) in told(), erased


def test_hand_written_sql_is_told_and_what_was_rolled_back_is_not(
    told: Callable[[], set[str]],
) -> None:
    session = SessionFactory()
    told()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sessions_app_session SET messages_operator = 7 WHERE id = %s", [session.pk]
        )
    assert told() == {str(session.pk)}
    with transaction.atomic():
        MessageFactory(session=session)
        transaction.set_rollback(True)
    assert told() == set()


def test_nothing_is_told_about_a_closed_session(told: Callable[[], set[str]]) -> None:
    session = SessionFactory(ended=True)
    told()
    conversation.set_note(session, note="x", result="")
    ErasureFactory(subject=session)
    assert told() == set()
