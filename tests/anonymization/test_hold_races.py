"""Test legal holds concurrently with erasures: exactly one of them succeeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from anonymization import engine, holds
from anonymization.batch import erase_batch
from anonymization.ledger import recording
from anonymization.models import DueErasure, Erasure, Hold, Note, Source
from sessions_app.models import Guest, Session
from tests.bystander import besides
from tests.factories import HoldFactory, SessionFactory
from tests.races import at_once, wait_until_blocked_by_me
from webchat.models import WebChat

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bystander")]

ROUNDS = 5
COMMAND = recording.Requester(Source.COMMAND)


def erase(subject: Any) -> Any:
    return engine.erase(subject, requester=COMMAND)


def erase_in_batch(session: Session) -> Any:
    return erase_batch([session.pk], among=Session.objects.all(), requester=COMMAND)


def hold(row: Any) -> Any:
    return HoldFactory(subject=row)


def person(row: Any) -> Any:
    return row.guest


@pytest.mark.parametrize("eraser", [erase, erase_in_batch, lambda s: erase(s.guest)])
@pytest.mark.parametrize("held", [lambda s: s, person])
def test_a_row_is_either_held_or_erased(eraser: Any, held: Any, webchat: WebChat) -> None:
    for session in SessionFactory.create_batch(ROUNDS, webchat=webchat, new_guest=True, ended=True):
        results = at_once([partial(hold, held(session)), partial(eraser, session)])
        fresh = Session.objects.get(pk=session.pk)
        if isinstance(results[0], Hold):
            assert fresh.anonymized_in is None
            assert results[1] == [] or isinstance(results[1], engine.Held)
        else:
            assert isinstance(results[0], holds.HoldRefused)
            assert fresh.anonymized_in is not None
        assert fresh.is_held == isinstance(results[0], Hold)
    assert besides(Session).filter(anonymized_in=None).count() == Hold.objects.count()


def test_of_two_releases_one_carries_out_the_erasure(webchat: WebChat) -> None:
    for number in range(ROUNDS):
        values: dict[str, Any] = {"webchat": webchat, "email": f"{number}@example.com"}
        sessions = SessionFactory.create_batch(2, ended=True, **values)
        held = HoldFactory(subject=sessions[0])
        erase(sessions[0].guest)
        results = at_once([partial(holds.release_hold, held, source=Source.COMMAND)] * 2)
        assert sum(isinstance(result, holds.HoldRefused) for result in results) == 1
    assert besides(Guest).filter(anonymized_in=None).count() == 0
    assert Erasure.objects.filter(kind=Note.HOLD_RELEASED).count() == ROUNDS
    assert not DueErasure.objects.exists()


def test_the_releases_of_two_sessions_carry_out_the_erasure_together(webchat: WebChat) -> None:
    for number in range(ROUNDS):
        values: dict[str, Any] = {"webchat": webchat, "email": f"{number}@example.com"}
        sessions = SessionFactory.create_batch(3, ended=True, **values)
        pair = [HoldFactory(subject=session) for session in sessions[:2]]
        erase(sessions[0].guest)
        results = at_once([partial(holds.release_hold, one, source=Source.COMMAND) for one in pair])
        assert not [result for result in results if isinstance(result, Exception)]
    assert besides(Guest).filter(anonymized_in=None).count() == 0
    assert not Hold.objects.exists()
    assert not DueErasure.objects.exists()


@pytest.mark.postgresql
def test_an_erasure_waits_for_a_hold_that_is_being_set() -> None:
    """It reads the holds after it has the locks, so that it sees a hold that was just committed."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    session = SessionFactory()

    def elsewhere() -> Any:
        try:
            return erase(session)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            HoldFactory(subject=session)
            erasing = pool.submit(elsewhere)
            assert wait_until_blocked_by_me(erasing)
        with pytest.raises(engine.Held):
            erasing.result(timeout=30)
    assert Session.objects.get(pk=session.pk).anonymized_in is None
