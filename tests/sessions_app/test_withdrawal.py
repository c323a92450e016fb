"""Test the withdrawal of consent: its effects, repetition, and what happens to the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Asked, Erasure, Ground, Source
from anonymization.storage import mark_storage
from sessions_app import consent, conversation, lock
from sessions_app.models import Guest, Party, Session
from tests.database import digest, dump, media
from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory, StaffFactory
from webchat.models import EntryForm, OnWithdrawal

pytestmark = pytest.mark.django_db


def kinds(session: Session) -> list[str]:
    return list(session.consent_events.values_list("kind", flat=True))


def test_it_ends_the_conversation_and_appends_the_evidence(settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "month"
    session = SessionFactory(language="cs")
    given = session.consent_events.get()
    assert consent.withdraw_consent(session) is None
    session.refresh_from_db()
    assert (session.status, session.ended_by) == ("closed", "visitor")
    assert session.withdrawn_at is not None
    assert session.duration is not None
    before, event = session.consent_events.all()
    assert before == given
    assert (event.kind, event.text, event.channel) == ("withdrawn", given.text, "chat")
    withdrawn_on = timezone.localdate(session.withdrawn_at)
    assert event.day == withdrawn_on.replace(day=1), "rounded as the other"
    assert session.anonymized_in is None, "by default the officer judges"
    assert list(Session.objects.withdrawn()) == [session]


def test_an_ended_conversation_keeps_its_end() -> None:
    session = SessionFactory()
    conversation.end_session(session, by=Party.OPERATOR)
    session.refresh_from_db()
    end = session.ended_at
    consent.withdraw_consent(session)
    session.refresh_from_db()
    assert (session.ended_at, session.ended_by) == (end, "operator")


def test_the_second_time_changes_nothing() -> None:
    session = SessionFactory()
    consent.withdraw_consent(session)
    before = digest()
    with pytest.raises(lock.ConsentWithdrawn):
        consent.withdraw_consent(session)
    assert digest() == before


def test_where_no_consent_was_asked_there_is_none_to_withdraw() -> None:
    session = SessionFactory(webchat__entry_form=EntryForm.STANDARD)
    before = digest()
    with pytest.raises(consent.NothingToWithdraw):
        consent.withdraw_consent(session)
    assert digest() == before


WRITERS: dict[str, Callable[[Session, User], Any]] = {
    "message": lambda s, o: conversation.post_message(s, sender=Party.VISITOR, text="Kassiopeia"),
    "file": lambda s, o: AttachmentFactory(session=s),
    "answered file": lambda s, o: AttachmentFactory(session=s, sender=Party.OPERATOR, author=o),
    "note": lambda s, o: conversation.set_note(s, note="Kassiopeia", result="Kassiopeia"),
    "accept": lambda s, o: conversation.accept_session(s, operator=o),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_stored_with_it_any_more(name: str) -> None:
    session, operator = SessionFactory(), StaffFactory()
    consent.withdraw_consent(session)
    mark_storage()
    before = digest()
    with pytest.raises(lock.ConsentWithdrawn):
        WRITERS[name](session, operator)
    conversation.end_session(session, by=Party.OPERATOR)
    assert digest() == before
    assert media() == {}


def test_a_webchat_may_anonymize_at_once() -> None:
    session = SessionFactory(webchat__on_withdrawal=OnWithdrawal.ANONYMIZE, name="Kassiopeia")
    assert "Kassiopeia" in dump()
    record = consent.withdraw_consent(session)
    session.refresh_from_db()
    assert (session.withdrawn_at, session.consent_key) == (None, None)
    assert record is not None
    assert (record.door, record.ground, record.requester, record.requested_by) == (
        Source.WITHDRAWAL,
        Ground.WITHDRAWAL,
        Asked.PERSON,
        None,
    )
    assert "Kassiopeia" not in dump()
    assert Guest.objects.get().anonymized_in is not None
    assert kinds(session) == ["given", "withdrawn"], "the evidence of both stays"
    assert not Session.objects.withdrawn().exists(), "nothing waits"


@pytest.mark.parametrize("failure", [recording.LedgerUnavailable("full"), DatabaseError("gone")])
def test_a_withdrawal_holds_where_the_erasure_is_refused(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise failure

    session = SessionFactory(webchat__on_withdrawal=OnWithdrawal.ANONYMIZE)
    monkeypatch.setattr(engine, "erase", refuse)
    assert consent.withdraw_consent(session) is None
    assert kinds(session) == ["given", "withdrawn"]
    assert list(Session.objects.withdrawn()) == [session], "it waits for the officer"


def test_an_anonymized_session_has_nothing_to_withdraw() -> None:
    session = SessionFactory()
    ErasureFactory(subject=session)
    with pytest.raises(lock.SessionClosed):
        consent.withdraw_consent(session)
    assert kinds(session) == ["given"]


def test_an_erasure_takes_the_exact_time_and_leaves_the_evidence() -> None:
    session = SessionFactory(withdrawn=True, anonymized=True)
    assert (session.withdrawn_at, session.consent_key) == (None, None)
    assert kinds(session) == ["given", "withdrawn"]
    assert Erasure.objects.get().door == Source.COMMAND
