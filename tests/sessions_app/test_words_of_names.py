"""Test that the words of a name are stored once with the guest and deleted with every erasure."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from anonymization import batch, engine
from anonymization.ledger.recording import Requester
from anonymization.models import Source
from sessions_app.models import Guest, GuestWord, Session
from tests.factories import ErasureFactory, HoldFactory, SessionFactory, WebChatFactory

pytestmark = pytest.mark.django_db

OTHER = {"name": "Petr Novák", "email": "petr@example.com", "phone": "604 111 222"}


def words(guest: Guest | None) -> set[str]:
    return set(GuestWord.objects.filter(guest=guest).values_list("word", flat=True))


def test_only_a_new_guest_costs_one_more_statement() -> None:
    webchat = WebChatFactory()
    with CaptureQueriesContext(connection) as first:
        guest = SessionFactory(webchat=webchat).guest
    with CaptureQueriesContext(connection) as second:
        assert SessionFactory(webchat=webchat).guest == guest
    assert words(guest) == {"jana", "novakova"}
    for queries, expected in ((first, 1), (second, 0)):
        assert sum("sessions_app_guestword" in q["sql"] for q in queries) == expected


def erase_guest(session: Session) -> None:
    ErasureFactory(subject=session.guest)


def erase_last_session(session: Session) -> None:
    ErasureFactory(subject=session)


def erase_by_retention(session: Session) -> None:
    among = Session.objects.filter(pk=session.pk)
    assert batch.erase_batch([session.pk], among=among, requester=Requester(Source.COMMAND, None))


@pytest.mark.parametrize("erase", [erase_guest, erase_last_session, erase_by_retention])
def test_an_erasure_deletes_the_words_of_this_guest_alone(erase: Any) -> None:
    webchat = WebChatFactory()
    session, other = (
        SessionFactory(webchat=webchat, ended=True),
        SessionFactory(webchat=webchat, **OTHER),
    )
    guest = session.guest
    erase(session)
    assert words(guest) == set()
    assert words(other.guest) == {"petr", "novak"}


def test_the_number_of_words_is_in_no_record_and_no_preview() -> None:
    session = SessionFactory()
    assert "sessions_app.GuestWord" not in engine.preview(session.guest).counts
    assert "sessions_app.GuestWord" not in ErasureFactory(subject=session.guest).counts


def test_a_held_guest_keeps_the_words() -> None:
    session = SessionFactory(ended=True)
    HoldFactory(subject=session, of_guest=True)
    with pytest.raises(engine.Held):
        ErasureFactory(subject=session.guest)
    assert words(session.guest) == {"jana", "novakova"}


def test_an_anonymized_guest_gets_no_words() -> None:
    guest = SessionFactory().guest
    ErasureFactory(subject=guest)
    with pytest.raises(DatabaseError), transaction.atomic():
        GuestWord.objects.create(guest=guest, word="jana")
