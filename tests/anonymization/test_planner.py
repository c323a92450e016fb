"""Test that the statistics of PostgreSQL's planner contain no erased values."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from django.core.checks import Error
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from anonymization import planner
from anonymization.checks import check_database
from anonymization.policy import Registry
from sessions_app import calls, gate
from sessions_app.conversation import set_note
from sessions_app.models import Attachment, Message, Party, Session, Signal
from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

#: The values of the session, of its guest, and of the rows that are deleted with it.
OF_MARKED = ("Kassiopeia", "kassiopeia@example.com", "603123456", "198.51.100.77", "Andromeda")
OF_DELETED = ("Cepheus", "203.0.113.199", "Perseus")

OF_GUESTS = ("uid", "name", "email", "phone", "name_key", "email_key", "phone_key")
OF_SESSIONS = (
    "uid", "entered_name", "entered_email", "entered_phone", "params", "ip_address", "user_agent", "landing_page",
    "referrer", "note", "result", "feedback_text", "room_key", "consent_key",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps no values beside the rows")


def rows(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        # Deferred constraints wait for the end of the transaction, and ALTER TABLE waits for them.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def remembered() -> str:
    """Return all statistics of tables and indexes."""
    return str(
        rows("SELECT row_to_json(s)::text FROM pg_stats s WHERE schemaname = current_schema()")
    )


def conversation() -> Session:
    """Store a call and a guest with values that are frequent enough for the statistics."""
    for number in range(3):
        name, email = f"Kassiopeia {number}", f"{number}.kassiopeia@example.com"
        visit, words = gate.Visit(ip_address="198.51.100.77"), [f"Cepheus {n}" for n in range(20)]
        session = SessionFactory(name=name, email=email, showroom=True, visit=visit, messages=words)
        set_note(session, note=f"Andromeda {number}", result="")
        for of_many in range(20):
            body = json.dumps({"candidate": f"203.0.113.199 {of_many}"})
            calls.post_signal(session, sender=Party.VISITOR, kind="candidate", body=body)
            AttachmentFactory(session=session, original_name=f"Perseus {of_many}.txt")
    return session


def switch_on() -> None:
    for table, column in planner.columns():
        rows(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET STATISTICS -1')


def erase_everybody() -> None:
    for session in Session.objects.filter(anonymized_in=None):
        ErasureFactory(subject=session)


def test_nothing_is_remembered_of_anybody_even_before_the_erasure() -> None:
    switch_on()
    session = conversation()
    rows("ANALYZE")
    values = (*OF_MARKED, *OF_DELETED, str(session.uid))
    found = remembered()
    assert [value for value in values if value not in found] == [], "the control"

    planner.after_migrate(using="default")

    found = remembered()
    assert [value for value in values if value in found] == [], "migrate forgets them"
    rows("ANALYZE")
    found = remembered()
    assert [value for value in values if value in found] == [], "ANALYZE stores none of them"
    assert "'status'" in found or '"status"' in found, "enumerations keep theirs"


def test_the_role_of_the_product_reads_no_erased_value_after_an_erasure() -> None:
    """Logical completeness includes the statistics, without a run of ANALYZE or maintain."""
    role = f"reader_{os.getpid()}"
    tables = {table for table, _column in planner.columns()}
    rows(f"CREATE ROLE {role}")
    rows(f"GRANT SELECT ON {', '.join(sorted(tables))} TO {role}")
    conversation()
    rows('ALTER TABLE "sessions_app_session" ALTER COLUMN "note" SET STATISTICS 100')
    rows("ANALYZE")
    erase_everybody()
    assert not any(model.objects.exists() for model in (Message, Attachment, Signal))

    rows(f"SET LOCAL ROLE {role}")
    found = remembered()
    rows("RESET ROLE")

    assert "Andromeda" in found, "the control: its column has statistics"
    values = [value for value in (*OF_MARKED, *OF_DELETED) if value != "Andromeda"]
    assert [value for value in values if value in found] == []


def test_what_would_be_remembered_without() -> None:
    """This documents PostgreSQL's behavior. If it changes, the precautions can be removed."""
    switch_on()
    conversation()
    rows("ANALYZE")
    erase_everybody()
    found = remembered()
    assert [value for value in (*OF_MARKED, *OF_DELETED) if value not in found] == []
    rows("ANALYZE")
    found = remembered()
    assert [value for value in OF_MARKED if value in found] == []
    assert [value for value in OF_DELETED if value not in found] == [], "for ever"


def test_every_column_with_words_or_addresses_is_left_out() -> None:
    assert check_database(None, databases=["default"]) == []
    left_out = {f"{table}.{column}" for table, column in planner.columns()}
    assert left_out == {
        *(f"anonymization_dueerasure.{name}" for name in ("kind", "subject", "source", "ground")),
        *(f"anonymization_hold.{name}" for name in ("kind", "subject", "ground", "case_number")),
        *(f"sessions_app_guest.{name}" for name in OF_GUESTS),
        *(f"sessions_app_session.{name}" for name in OF_SESSIONS),
        "sessions_app_attachment.content_type",
        "sessions_app_attachment.original_name",
        "sessions_app_attachment.sender",
        "sessions_app_guestword.word",
        "sessions_app_message.sender",
        "sessions_app_message.text",
        "sessions_app_signal.body",
        "sessions_app_signal.kind",
        "sessions_app_signal.sender",
    }
    rows('ALTER TABLE "sessions_app_message" ALTER COLUMN "text" SET STATISTICS 100')
    assert check_database(None, databases=["default"]) == [
        Error(
            "ANALYZE keeps values of sessions_app_message.text, which an erasure deletes or clears.",
            hint="Run manage.py migrate, which forgets them and switches its statistics off.",
            id="anonymization.E013",
        )
    ]
    call_command("migrate", verbosity=0)
    assert check_database(None, databases=["default"]) == []


def test_a_column_of_a_new_kind_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with isolate_apps("sessions_app"):

        class Call(models.Model):
            began_at = models.DateTimeField()
            seconds = models.IntegerField()
            address = models.GenericIPAddressField()
            facts = models.JSONField()
            voice = models.BinaryField()

            class Meta:
                app_label = "sessions_app"

        declared = Registry()
        policy = declared.register(Call, subject="", delete=True)
        policy.__dict__["model"] = Call
        monkeypatch.setattr(planner, "registry", declared)
        assert planner.columns() == [
            ("sessions_app_call", name) for name in ("address", "facts", "voice")
        ]


def test_forgetting_rewrites_no_table_and_of_the_indexes_only_partial_ones() -> None:
    files = (
        "SELECT c.relname, pg_relation_filenode(c.oid) FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid "
        "WHERE relname ~ '^(sessions_app_|attachment_|guest_|session_)' AND i.indpred IS NULL ORDER BY c.relname"
    )
    switch_on()
    before = rows(files)
    planner.after_migrate(using="default")
    assert planner.remembered(connection) == []
    assert len(before) > 20
    assert rows(files) == before
