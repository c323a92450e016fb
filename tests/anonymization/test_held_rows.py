"""Test that the database refuses to mark or delete rows under a legal hold."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Model

from anonymization import triggers
from anonymization.checks import check_database
from anonymization.policy import registry
from lib.days import period_of
from sessions_app import calls
from sessions_app.models import Attachment, Guest, Message, Party, Session, Signal
from tests.factories import (
    AttachmentFactory,
    HoldFactory,
    MessageFactory,
    SessionFactory,
)

pytestmark = pytest.mark.django_db


def mark(row: Any) -> None:
    """Anonymize one row with SQL, without the engine."""
    policy = registry.get(type(row))
    values = policy.erased_values() | {policy.mark: period_of(row.created_at.date())}
    policy.model._base_manager.filter(pk=row.pk).update(**values)


def refused() -> Any:
    return pytest.raises(IntegrityError, match="is under a legal hold")


@pytest.fixture
def session() -> Session:
    """Return a session without content, of a guest with another session."""
    SessionFactory(ended=True)
    return SessionFactory(ended=True)


@pytest.mark.parametrize("held", ["session", "guest"])
def test_a_held_row_cannot_be_marked(session: Session, held: str) -> None:
    HoldFactory(subject=session if held == "session" else session.guest)
    with refused(), transaction.atomic():
        mark(session)


def test_a_held_guest_cannot_be_marked(session: Session) -> None:
    HoldFactory(subject=session.guest)
    with refused(), transaction.atomic():
        mark(session.guest)


def test_a_hold_of_a_session_holds_neither_its_guest_nor_another_session(session: Session) -> None:
    HoldFactory(subject=session)
    other = Session.objects.exclude(pk=session.pk).get(guest=session.guest)
    mark(other)
    mark(session.guest)
    assert Session.objects.get(pk=other.pk).anonymized_in
    assert Guest.objects.get().anonymized_in


def test_a_released_hold_refuses_nothing(session: Session) -> None:
    HoldFactory(subject=session, released=True)
    mark(session)
    assert Session.objects.get(pk=session.pk).anonymized_in


def test_one_of_two_holds_is_enough(session: Session) -> None:
    HoldFactory(subject=session, released=True)
    HoldFactory(subject=session)
    with refused(), transaction.atomic():
        mark(session)


@pytest.mark.parametrize("held", ["session", "guest"])
@pytest.mark.parametrize("factory", [MessageFactory, AttachmentFactory])
def test_content_of_a_held_session_is_not_deleted(held: str, factory: Any) -> None:
    session = SessionFactory()
    row: Model = factory(session=session)
    HoldFactory(subject=session if held == "session" else session.guest)
    with refused(), transaction.atomic():
        type(row)._base_manager.all().delete()


def test_content_of_another_session_is_deleted() -> None:
    HoldFactory()
    other = SessionFactory(new_guest=True)
    MessageFactory(session=other)
    AttachmentFactory(session=other)
    Message.objects.filter(session=other).delete()
    Attachment.objects.filter(session=other).delete()
    assert not Message.objects.exists()


@pytest.mark.parametrize("model", [Session, Guest])
def test_a_held_row_is_not_deleted(model: Any) -> None:
    hold = HoldFactory(of_guest=model is Guest)
    table = model._meta.db_table
    with refused(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{table}" WHERE "uid" = %s', [_stored(hold.subject)])


def _stored(uid: Any) -> str:
    return str(uid.hex if connection.vendor == "sqlite" else uid)


def test_signals_of_a_held_call_are_deleted_as_ever() -> None:
    session = SessionFactory(showroom=True)
    calls.post_signal(session, sender=Party.VISITOR, kind="offer", body="{}")
    HoldFactory(subject=session)
    Signal.objects.all().delete()
    assert not Signal.objects.exists()


def test_a_missing_guard_is_named_and_made_again() -> None:
    names = [
        t.name
        for t in triggers.expected(connection)
        if t.name.endswith(("_held_update", "_held_delete"))
    ]
    assert len(names) == 7
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(triggers.Trigger("", name, "", "").drop(connection.vendor))
    said = " ".join(str(m.msg) for m in check_database(None, databases=["default"]))
    assert all(name in said for name in names)
    triggers.after_migrate("default")
    assert triggers.missing(connection) == []
