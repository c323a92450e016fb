"""Test that nothing links the anonymized rows of one person to each other.

A link is a column, an order, a hash, or a system column.
"""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from anonymization import engine, triggers
from anonymization.ledger import recording
from anonymization.ledger.chain import subject_of
from anonymization.models import AwaitingFiles, Erasure, Source
from api.services import erase_for
from sessions_app import conversation
from sessions_app.models import Guest, Party, Session
from tests import links
from tests.factories import ApiClientFactory, AttachmentFactory, SessionFactory, WebChatFactory
from tests.links import Acts, Row

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 100
SESSIONS = 3
GUEST, SESSION = "sessions_app_guest", "sessions_app_session"
real_now = timezone.now


def test_nothing_links_the_rows_of_an_act(acts: Acts) -> None:
    assert len(acts) == PEOPLE * (SESSIONS + 1)
    if connection.vendor == "postgresql":
        found = links.links(acts)
        assert {"*.xmin", "order of sessions_app_session.ctid"} & found, "until the period is over"
    else:
        assert links.links(acts) == set(), "immediately"

    finish_the_period()

    assert links.links(acts) == set()
    triggers.drop(connection)
    for name, link in CONTROLS.items():
        assert name in links.links(link(acts)), "the control"


def finish_the_period() -> None:
    call_command("anchor_evidence", verbosity=0)
    call_command("maintain", "--rewrite", "--wait", "60", verbosity=0)


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Acts:
    """Return a hundred acts of a past period. The people came and were erased in random order."""
    settings.ERASURE_LEDGER_DIR = tmp_path
    settings.API_ERASURES_PER_HOUR = dict.fromkeys(settings.API_ERASURES_PER_HOUR, PEOPLE * 10)
    call_command("begin_ledger_copy", verbosity=0)
    monkeypatch.setattr(timezone, "now", lambda: real_now() - timedelta(days=40))
    ids_of_ten_digits()
    acts = come()
    erase(acts)
    monkeypatch.undo()
    return acts


def ids_of_ten_digits() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('sessions_app_session', 'id'), 1000000000)"
            )
        else:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'sessions_app_session'")
            cursor.execute(
                "INSERT INTO sqlite_sequence VALUES ('sessions_app_session', 1000000000)"
            )


def come() -> Acts:
    """Store people in random order, with the same kept values. Return their rows."""
    webchat = WebChatFactory()
    acts: dict[Row, int] = {}
    chance = random.Random(7)  # noqa: S311
    for number in range(SESSIONS):
        for person in chance.sample(range(PEOPLE), PEOPLE):
            session = SessionFactory(
                webchat=webchat, email=f"{person}@example.com", messages=["one"] * number
            )
            if not number:
                AttachmentFactory(session=session)
            conversation.end_session(session, by=Party.VISITOR)
            Session.objects.filter(pk=session.pk).update(feedback_stars=1 + number)
            acts[Row(SESSION, session.pk)] = person
            acts[Row(GUEST, session.guest_id)] = person
        call_command("anchor_evidence", verbosity=0)
    return acts


def erase(acts: Acts) -> None:
    """Erase the guests in random order, by an API client with idempotency keys and by command."""
    client = ApiClientFactory()
    guests = [row.pk for row in acts if row.table == GUEST]
    for number, pk in enumerate(random.Random(8).sample(guests, len(guests))):  # noqa: S311
        guest = Guest.objects.get(pk=pk)
        if number % 2:
            erase_for(client, guest, key=secrets.token_hex(8))
        else:
            engine.erase(guest, requester=recording.Requester(Source.COMMAND))


def sessions_of(acts: Acts) -> Iterator[tuple[int, QuerySet[Session]]]:
    for person in range(PEOPLE):
        yield person, Session.objects.filter(pk__in=[row.pk for row in acts if acts[row] == person])


def give_a_time(acts: Acts) -> Acts:
    for person, sessions in sessions_of(acts):
        sessions.update(ended_at=real_now() + timedelta(milliseconds=person))
    return acts


def give_two_numbers(acts: Acts) -> Acts:
    for person, sessions in sessions_of(acts):
        sessions.update(messages_visitor=person % 10, messages_operator=person // 10)
    return acts


def list_the_rows(acts: Acts) -> Acts:
    one = [row.pk for row, person in acts.items() if person == 1]
    Erasure.objects.filter(number=3).update(evidence=one)
    return acts


def keep_the_queue(acts: Acts) -> Acts:
    record = Erasure.objects.order_by("number").last()
    AwaitingFiles.objects.bulk_create(
        AwaitingFiles(erasure=record, label=row.table, key=row.pk)
        for row, person in acts.items()
        if person == 1
    )
    return acts


def keep_the_identifier(acts: Acts) -> Acts:
    session = Session.objects.order_by("pk").first()
    assert session is not None
    session.uid = uuid.uuid4()
    session.save(update_fields=["uid"])
    Erasure.objects.filter(number=2).update(subjects=[subject_of(session.uid)])
    return acts


def number_the_guests(acts: Acts) -> Acts:
    """Give the guests numbers in the order of their first sessions."""
    first = {acts[row]: row.pk for row in sorted(acts, reverse=True) if row.table == SESSION}
    order = sorted(first, key=lambda person: first[person])
    guest = {acts[row]: row.pk for row in acts if row.table == GUEST}
    for number, person in enumerate(order):
        Guest.objects.filter(pk=guest[person]).update(id=FIRST_GUEST + number)
    numbered = {Row(GUEST, FIRST_GUEST + number): person for number, person in enumerate(order)}
    return {row: person for row, person in acts.items() if row.table == SESSION} | numbered


FIRST_GUEST = 9_999_000_000
#: Name of a link → a function that creates it. Each link must be found.
CONTROLS = {
    "sessions_app_session.ended_at": give_a_time,
    "sessions_app_session.messages_visitor with sessions_app_session.messages_operator": give_two_numbers,
    "anonymization_erasure.evidence": list_the_rows,
    "anonymization_awaitingfiles.erasure_id": keep_the_queue,
    "hash of sessions_app_session.uid": keep_the_identifier,
    "first of sessions_app_guest.id as first of sessions_app_session.id": number_the_guests,
}
