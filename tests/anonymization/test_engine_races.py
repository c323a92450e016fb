"""Test the engine concurrently with writers and with itself, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from sessions_app import calls, conversation, lock
from sessions_app.models import Attachment, Guest, Message, Party, Session, Signal
from tests.bystander import besides, media_besides
from tests.database import dump
from tests.factories import AttachmentFactory, MessageFactory, SessionFactory
from tests.races import at_once, wait_until_blocked_by_me
from webchat.models import WebChat

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bystander")]

ROUNDS = 5
COMMAND = recording.Requester(Source.COMMAND)


def erase(subject: Any) -> Any:
    return engine.erase(subject, requester=COMMAND)


def say(session: Session) -> Any:
    return MessageFactory(session=session, text="Kassiopeia")


def send(session: Session) -> Any:
    return AttachmentFactory(session=session, content=b"Kassiopeia", original_name="Kassiopeia.txt")


def note(session: Session) -> Any:
    return conversation.set_note(session, note="Kassiopeia", result="Kassiopeia")


@pytest.mark.parametrize("writer", [say, send, note])
def test_writer_leaves_nothing_behind_an_erasure(writer: Any, webchat: WebChat) -> None:
    for session in SessionFactory.create_batch(ROUNDS, webchat=webchat, new_guest=True):
        results = at_once(
            [partial(writer, session), partial(erase, session), partial(writer, session)]
        )
        assert not isinstance(results[1], Exception)
        for result in (results[0], results[2]):
            assert not isinstance(result, Exception) or isinstance(result, lock.SessionClosed)
    assert not besides(Message).exists()
    assert not besides(Attachment).exists()
    assert media_besides() == {}
    assert "Kassiopeia" not in dump()
    assert besides(Session).filter(anonymized_in=None).count() == 0


def test_eight_erasures_of_one_subject_are_one_record() -> None:
    session, _again = SessionFactory.create_batch(2)
    guest = session.guest
    results: list[Any] = at_once([partial(erase, guest), partial(erase, session)] * 4)
    records = {record.pk for record in results if record is not None}
    assert Erasure.objects.count() == len(records) <= 2
    assert not [result for result in results if isinstance(result, Exception)]
    assert besides(Session).filter(anonymized_in=None).count() == 0
    assert besides(Guest).get().anonymized_in is not None


def test_eight_erasures_of_different_guests_are_numbered_without_a_gap(webchat: WebChat) -> None:
    for _number in range(ROUNDS):
        sessions = SessionFactory.create_batch(8, webchat=webchat, new_guest=True)
        results = at_once([partial(erase, session.guest) for session in sessions])
        assert not [result for result in results if isinstance(result, Exception)]
    numbers = Erasure.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 8 * ROUNDS + 1))
    assert besides(Guest).filter(anonymized_in=None).count() == 0


def test_last_two_sessions_erased_at_once_take_the_guest(webchat: WebChat) -> None:
    for number in range(ROUNDS):
        sessions = [
            SessionFactory(webchat=webchat, email=f"{number}@example.com") for _ in range(2)
        ]
        results = at_once([partial(erase, session) for session in sessions])
        assert not [result for result in results if isinstance(result, Exception)]
    assert besides(Guest).filter(anonymized_in=None).count() == 0
    assert sorted(Erasure.objects.values_list("number", flat=True)) == list(
        range(1, 2 * ROUNDS + 1)
    )


def test_visit_of_a_person_who_is_being_erased_is_a_new_guest_or_goes_too(webchat: WebChat) -> None:
    for number in range(ROUNDS):
        session = SessionFactory(webchat=webchat, email=f"{number}@example.com")
        results: list[Any] = at_once(
            [
                partial(erase, session.guest),
                partial(SessionFactory, webchat=webchat, email=f"{number}@example.com"),
            ]
        )
        assert not [result for result in results if isinstance(result, Exception)]
        again = Session.objects.get(pk=results[1].pk)
        assert (again.anonymized_in is not None) or (
            again.guest is not None and again.guest.anonymized_in is None
        )
        assert Guest.objects.get(pk=session.guest_id).anonymized_in is not None


@pytest.fixture
def old_signal() -> Signal:
    session = SessionFactory(showroom=True)
    signal = calls.post_signal(session, sender=Party.VISITOR, kind="offer", body="{}")
    signal.at = timezone.now() - 2 * calls.SIGNAL_MAX_AGE
    signal.save(update_fields=["at"])
    return signal


def elsewhere(act: Callable[[], Any]) -> Any:
    """Run it on a separate connection."""
    try:
        return act()
    finally:
        connections.close_all()


@pytest.mark.postgresql
def test_signals_that_cron_deletes_are_none_of_an_erasure_beside_it(old_signal: Signal) -> None:
    """The erasure waits for the writer, because it counts the rows that it is about to delete."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert calls.delete_old_signals() == 1
            erasing = pool.submit(elsewhere, partial(erase, old_signal.session))
            assert wait_until_blocked_by_me(erasing)
        record = erasing.result(timeout=30)
    assert record.counts.get("sessions_app.Signal", 0) == 0


@pytest.mark.postgresql
def test_cron_passes_over_what_somebody_holds_and_then_waits_for_it(old_signal: Signal) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock.lock_writable(old_signal.session)
            assert pool.submit(elsewhere, calls.delete_old_signals).result(timeout=30) == 0
            cron = pool.submit(
                elsewhere, partial(call_command, "delete_old_signals", stdout=StringIO())
            )
            assert wait_until_blocked_by_me(cron)
            assert besides(Signal).exists()
        cron.result(timeout=30)
    assert not besides(Signal).exists()


@pytest.mark.postgresql
def test_locking_some_rows_waits_for_no_others(webchat: WebChat) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    mine, other = SessionFactory.create_batch(2, webchat=webchat, new_guest=True)
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        engine.lock_rows([mine])
        locking = pool.submit(elsewhere, transaction.atomic(partial(engine.lock_rows, [other])))
        assert not wait_until_blocked_by_me(locking)
