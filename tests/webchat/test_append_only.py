"""Test that a published text cannot be changed or deleted on any database."""

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.db.models import TextField

from anonymization import triggers
from anonymization.checks import check_database
from tests.factories import WebChatFactory
from tests.webchat import append_only
from tests.webchat.append_only import ORM, SQL, execute, refused, rows
from webchat.models import ConsentText, ConsentVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def text():
    return WebChatFactory().current_text("cs")


@pytest.mark.parametrize("way", ORM)
def test_not_by_the_orm(text, way):
    with refused():
        ORM[way](text)


@pytest.mark.parametrize("way", SQL)
def test_not_by_sql(text, way):
    with refused():
        SQL[way](text)


def test_not_by_a_fixture(text, tmp_path):
    with refused():
        append_only.fixture(text, tmp_path)


def test_not_by_the_stock_admin(text, log_in):
    before = rows()
    superuser = log_in("superuser")

    assert not {ConsentText, ConsentVersion} & set(admin.site._registry)
    for page in ("change", "delete"):
        for data in ({}, {"label": "Forged", "post": "yes"}):
            response = superuser.post(f"/admin/webchat/consenttext/{text.pk}/{page}/", data)
            assert response.status_code in {403, 404}

    assert rows() == before


def test_new_rows_are_welcome(text):
    before = rows()

    WebChatFactory()

    assert len(rows()["webchat_consenttext"]) == len(before["webchat_consenttext"]) + 2


def test_not_by_truncate(text):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    execute(
        "SET CONSTRAINTS ALL IMMEDIATE"
    )  # otherwise the rows that the test inserted would refuse it

    for table in append_only.TABLES:
        with refused():
            execute(f"TRUNCATE {table} CASCADE")
    with refused():
        execute("TRUNCATE webchat_webchat RESTART IDENTITY CASCADE")


@pytest.mark.django_db(transaction=True)
def test_not_after_a_migration_of_the_table(text, tmp_path):
    old, new = ConsentText._meta.get_field("label"), TextField(verbose_name="checkbox label")
    new.set_attributes_from_name("label")
    new.model = ConsentText
    triggers.before_migrate("default", plan=["a migration"])
    with connection.schema_editor() as editor:
        editor.alter_field(ConsentText, old, new)
    if connection.vendor == "sqlite":
        assert triggers.missing(connection), "SQLite kept the triggers: this test shows nothing"

    call_command("migrate", verbosity=0)

    assert not triggers.missing(connection)
    for ways in (ORM, SQL):
        for way in ways.values():
            with refused():
                way(ConsentText.objects.get(pk=text.pk))
    with refused():
        append_only.fixture(text, tmp_path)
    triggers.drop(connection)
    with connection.schema_editor() as editor:
        editor.alter_field(ConsentText, new, old)


@pytest.mark.parametrize("event", ["update", "delete"])
@pytest.mark.parametrize("table", append_only.TABLES)
def test_the_check_notices_a_dropped_trigger(table, event):
    assert not check_database(None, databases=["default"])
    name = f"{triggers.PREFIX}{table}_{event}"

    execute(
        f'DROP TRIGGER "{name}"' + (f" ON {table}" if connection.vendor == "postgresql" else "")
    )

    messages = check_database(None, databases=["default"])
    assert [message.id for message in messages] == ["anonymization.E010"]
    assert name in messages[0].msg


def test_the_check_notices_a_trigger_that_is_switched_off():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite can't switch a trigger off")

    execute("ALTER TABLE webchat_consenttext DISABLE TRIGGER USER")

    assert {message.id for message in check_database(None, databases=["default"])} == {
        "anonymization.E010"
    }
