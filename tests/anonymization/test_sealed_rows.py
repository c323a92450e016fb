"""The database itself refuses to put identity back into an anonymized row."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from anonymization import engine, triggers
from anonymization.checks import check_database
from anonymization.models import Door
from anonymization.policy import registry
from sessions_app.models import Attachment, Guest, Message, Session
from tests.database import digest
from tests.factories import make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed() -> Session:
    session = make_session()
    engine.erase(session, requester=engine.Requester(Door.COMMAND))
    session.refresh_from_db()
    return session


def sealed_columns() -> list[tuple[type, str]]:
    return [
        (model, name) for model in (Session, Guest) for name in [*registry.get(model).erase, "anonymized_at"]
    ]


def another_value(model: Any, name: str, sealed: Session) -> Any:
    kind = model._meta.get_field(name).get_internal_type()
    if name == "guest":
        return Guest.objects.create(name="x").pk
    return {
        "DateTimeField": timezone.now(),
        "DurationField": timezone.timedelta(minutes=3),
        "JSONField": {"a": "b"},
        "GenericIPAddressField": "192.0.2.1",
    }.get(kind, "x")


@pytest.mark.parametrize(
    ("model", "name"), sealed_columns(), ids=lambda value: getattr(value, "__name__", value)
)
def test_erased_field_takes_no_value_again(sealed: Session, model: Any, name: str) -> None:
    rows = model.objects.exclude(anonymized_at=None)
    assert rows.count() == 1
    value = another_value(model, name, sealed)
    before = digest()
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**{name: value})
    assert digest() == before


def test_the_mark_does_not_go(sealed: Session) -> None:
    for model in (Session, Guest):
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.update(anonymized_at=None)


@pytest.mark.parametrize("model", [Session, Guest])
def test_sealed_row_is_not_deleted(sealed: Session, model: Any) -> None:
    table = model._meta.db_table
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE anonymized_at IS NOT NULL")


def test_mark_without_the_erasure_is_refused() -> None:
    session = make_session()
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(anonymized_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Guest.objects.create(name="x", anonymized_at=timezone.now())


def test_no_message_and_no_file_hangs_on_a_sealed_session(sealed: Session) -> None:
    other = make_session(sealed.webchat)
    message = Message.objects.create(session=other, sender="visitor", text="x")
    for attempt in (
        lambda: Message.objects.create(session=sealed, sender="visitor", text="x"),
        lambda: Message.objects.filter(pk=message.pk).update(session=sealed),
        lambda: Attachment.objects.create(
            session=sealed, sender="visitor", file="f", original_name="x", size=1
        ),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()


def test_identified_rows_stay_writable() -> None:
    session = make_session()
    Session.objects.filter(pk=session.pk).update(note="called back")
    Message.objects.create(session=session, sender="visitor", text="x")
    assert Session.objects.get().note == "called back"


def test_the_check_notices_a_dropped_trigger(sealed: Session) -> None:
    def found() -> list[str]:
        return [
            str(m.id) for m in check_database(None, databases=["default"]) if m.id == "anonymization.E010"
        ]

    assert found() == []
    victim = triggers.expected(connection)[0]
    with connection.cursor() as cursor:
        cursor.execute(victim.drop(connection.vendor))
    assert found() == ["anonymization.E010"]
    triggers.install(connection)
    assert found() == []


def test_the_check_notices_a_trigger_of_the_same_name_that_does_nothing() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps the whole statement")
    victim = triggers.expected(connection)[0]
    for harmless in ("AFTER", "BEFORE"):
        when = "WHEN (false) " if harmless == "BEFORE" else ""
        with connection.cursor() as cursor:
            cursor.execute(f'DROP TRIGGER "{victim.name}" ON "{victim.table}"')
            cursor.execute(
                f'CREATE TRIGGER "{victim.name}" {harmless} {victim.event} ON "{victim.table}" FOR EACH ROW {when}'
                f'EXECUTE FUNCTION "{victim.name}"()'
            )
        assert triggers.missing(connection) == [victim.name]


@pytest.mark.parametrize("state", ["DISABLE", "ENABLE REPLICA"])
def test_the_check_notices_a_trigger_that_is_switched_off(state: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no switch")
    victim = triggers.expected(connection)[0]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{victim.table}" {state} TRIGGER "{victim.name}"')
    assert [m.id for m in check_database(None, databases=["default"])] == ["anonymization.E010"]
