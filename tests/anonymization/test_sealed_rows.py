"""Test that the database refuses to store identity in an anonymized row."""

from __future__ import annotations

import uuid
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import Error
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from anonymization import engine, triggers
from anonymization.checks import check_database
from anonymization.ledger import recording
from anonymization.models import Source
from anonymization.policy import registry
from sessions_app.models import Attachment, Guest, Message, ReceiptTerms, Session
from tests.database import digest
from tests.factories import MessageFactory, SessionFactory, StaffFactory, WebChatFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed() -> Session:
    return SessionFactory(anonymized=True)


def columns() -> list[tuple[type, str]]:
    return [(model, name) for model in (Session, Guest) for name in registry.get(model).fields]


def another_value(model: Any, name: str) -> Any:
    if name == "guest":
        return Guest.objects.create(name="x").pk
    if name == "webchat":
        return WebChatFactory().pk
    if name == "operator":
        return StaffFactory().pk
    if name == "receipt_terms":
        return ReceiptTerms.objects.create(webchat=WebChatFactory(), content="{}").pk
    kind = model._meta.get_field(name).get_internal_type()
    return {
        "BigAutoField": 999_999,
        "BooleanField": True,
        "DateField": date(2000, 1, 1),
        "DateTimeField": timezone.now(),
        "DurationField": timezone.timedelta(minutes=3),
        "ForeignKey": None,
        "JSONField": {"a": "b"},
        "GenericIPAddressField": "192.0.2.1",
        "PositiveIntegerField": 7,
        "PositiveSmallIntegerField": 3,
        "UUIDField": uuid.uuid4(),
    }.get(kind, "x")


@pytest.mark.parametrize(
    ("model", "name"), columns(), ids=lambda value: getattr(value, "__name__", value)
)
def test_no_field_of_a_sealed_row_changes(sealed: Session, model: Any, name: str) -> None:
    rows = model.objects.exclude(anonymized_in=None)
    assert rows.count() == 1
    value = another_value(model, name)
    before = digest()
    with pytest.raises(IntegrityError, match="is anonymized"), transaction.atomic():
        rows.update(**{name: value})
    assert digest() == before


def test_the_mark_does_not_go(sealed: Session) -> None:
    for model in (Session, Guest):
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.update(anonymized_in=None)


@pytest.mark.parametrize("model", [Session, Guest])
def test_sealed_row_is_not_deleted(sealed: Session, model: Any) -> None:
    table = model._meta.db_table
    said = rf"{model._meta.label} is anonymized"
    with (
        pytest.raises(IntegrityError, match=said),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DELETE FROM {table} WHERE anonymized_in IS NOT NULL")


def test_mark_without_the_erasure_is_refused() -> None:
    session = SessionFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(anonymized_in=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Guest.objects.create(name="x", anonymized_in=timezone.now())


def test_mark_without_a_record_is_refused() -> None:
    with pytest.raises(IntegrityError, match="is anonymized"), transaction.atomic():
        Guest.objects.create(anonymized_in=timezone.now())


def test_no_message_and_no_file_hangs_on_a_sealed_session(sealed: Session) -> None:
    other = SessionFactory(webchat=sealed.webchat)
    message = MessageFactory(session=other)
    for attempt in (
        lambda: Message.objects.create(session=sealed, sender="visitor", text="x"),
        lambda: Message.objects.filter(pk=message.pk).update(session=sealed),
        lambda: Attachment.objects.create(
            session=sealed, sender="visitor", file="f", original_name="x", size=1
        ),
    ):
        with (
            pytest.raises(IntegrityError, match=r"sessions_app\.Session is anonymized"),
            transaction.atomic(),
        ):
            attempt()
    message.session = SessionFactory(webchat=sealed.webchat, email="petr@example.com")
    message.save(update_fields=["session"])


def test_no_identified_session_hangs_on_a_tombstone(sealed: Session) -> None:
    tombstone, other = Guest.objects.get(), SessionFactory(webchat=sealed.webchat)
    copy = Session(
        webchat=sealed.webchat, guest=tombstone, channel="chat", language="en", entry_key="x"
    )
    for attempt in (
        lambda: Session.objects.filter(pk=other.pk).update(guest=tombstone),
        lambda: copy.save(force_insert=True),
    ):
        with (
            pytest.raises(IntegrityError, match=r"sessions_app\.Guest is anonymized"),
            transaction.atomic(),
        ):
            attempt()


def test_session_that_was_hung_on_a_tombstone_without_triggers_can_still_be_erased(
    sealed: Session,
) -> None:
    tombstone, other = Guest.objects.get(), SessionFactory(webchat=sealed.webchat)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SET CONSTRAINTS ALL IMMEDIATE"
            )  # pending constraint checks would refuse the change of triggers
        triggers.drop(connection)
        Session.objects.filter(pk=other.pk).update(guest=tombstone)
        triggers.install(connection)
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    Session.objects.filter(pk=other.pk).update(note="called back")
    record = engine.erase(other, requester=recording.Requester(Source.COMMAND))
    other.refresh_from_db()
    assert (other.anonymized_in is None, other.guest, other.note) == (False, None, "")
    assert record
    assert record.rows == 1


@pytest.mark.parametrize(
    ("value", "sqlite", "postgresql"),
    [
        (None, "NULL", "NULL"),
        ("it's", "'it''s'", "'it''s'"),
        (7, "7", "7"),
        (True, "1", "True"),
        ({"a": "it's"}, """'{"a": "it''s"}'""", """'{"a": "it''s"}'::jsonb"""),
    ],
)
def test_an_erased_value_is_written_as_its_column_keeps_it(
    value: Any, sqlite: str, postgresql: str
) -> None:
    for vendor, literal in (("sqlite", sqlite), ("postgresql", postgresql)):
        database: Any = SimpleNamespace(vendor=vendor)
        assert triggers._literal(models.Field(), value, database) == literal


def test_identified_rows_stay_writable() -> None:
    session = SessionFactory(messages=["x"])
    Session.objects.filter(pk=session.pk).update(note="called back")
    assert Session.objects.get().note == "called back"


def test_the_check_notices_a_dropped_trigger(sealed: Session) -> None:
    assert check_database(None, databases=["default"]) == []
    victim = triggers.expected(connection)[0]
    with connection.cursor() as cursor:
        cursor.execute(victim.drop(connection.vendor))
    assert check_database(None, databases=["default"]) == [
        Error(
            f"The trigger {victim.name} is missing or altered.",
            hint="Run manage.py migrate, which makes it again.",
            id="anonymization.E010",
        )
    ]
    triggers.install(connection)
    assert check_database(None, databases=["default"]) == []


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


def test_a_temporary_table_does_not_stand_in_for_a_guarded_one(sealed: Session) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("a trigger of SQLite reads the tables of its own database")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE sessions_app_session (id bigint, anonymized_in timestamptz)"
        )
        with pytest.raises(IntegrityError, match="is anonymized"), transaction.atomic():
            cursor.execute(
                "INSERT INTO sessions_app_message (session_id, at, sender, text) VALUES (%s, now(), 'visitor', 'x')",
                [sealed.pk],
            )


@pytest.mark.parametrize("change", ["RESET ALL", "SET search_path = pg_temp, public"])
def test_the_check_notices_a_trigger_that_looks_elsewhere(change: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no search path")
    victim = triggers.expected(connection)[0]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER FUNCTION "{victim.name}"() {change}')
    assert triggers.missing(connection) == [victim.name]


@pytest.mark.parametrize("state", ["DISABLE", "ENABLE REPLICA"])
def test_the_check_notices_a_trigger_that_is_switched_off(state: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no switch")
    victim = triggers.expected(connection)[0]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{victim.table}" {state} TRIGGER "{victim.name}"')
    assert [m.id for m in check_database(None, databases=["default"])] == ["anonymization.E010"]
