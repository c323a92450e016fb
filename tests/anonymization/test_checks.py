"""Test deny by default: everything that is not declared is an error."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.checks import Error
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from anonymization.checks import check_database, check_policies, check_registry
from anonymization.policy import AlreadyRegistered, NotRegistered, Registry, registry
from sessions_app.models import Attachment, Guest, Message, Session


def codes(declared: Registry, *chosen: Any) -> list[str]:
    return sorted(
        str(message.id).partition(".")[2] for message in check_registry(declared, list(chosen))
    )


def declare(**declaration: Any) -> Registry:
    declared = Registry()
    declared._policies["sessions_app.guest"] = registry.get(Guest)
    declared.register(Message, **declaration)
    return declared


WHOLE = dict.fromkeys(("id", "at", "sender", "author", "session"), "reason")


def test_every_installed_model_is_declared() -> None:
    assert list(check_registry(registry, apps.get_models(include_auto_created=True))) == []


def test_model_without_policy() -> None:
    assert list(check_registry(Registry(), [Message, Guest])) == [
        Error(
            f"{model._meta.label} is not declared in any erasure.py.",
            obj=model,
            id="anonymization.E001",
        )
        for model in (Message, Guest)
    ]


def test_tables_between_two_models_are_declared_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonymization.checks.registry", Registry())
    undeclared = {message.obj for message in check_policies(None)}
    assert {Guest, Message, User.groups.through} <= undeclared


def test_field_neither_erased_nor_kept() -> None:
    said = "sessions_app.Message.text is neither erased nor kept."
    assert list(check_registry(declare(keep=WHOLE), [Message])) == [
        Error(said, obj=Message, id="anonymization.E002")
    ]


def test_new_field_is_noticed() -> None:
    with isolate_apps("sessions_app"):

        class Message2(models.Model):
            text = models.TextField()
            whatsapp_id = models.TextField()

            class Meta:
                app_label = "sessions_app"

        declared = Registry()
        declared.register(Message2, impersonal={"id": "number", "text": "reason"})
        policy = declared.get(Message2)
        policy.__dict__["model"] = Message2
        assert codes(declared, Message2) == ["E002"]


@pytest.mark.parametrize(
    ("declaration", "code", "said"),
    [
        (
            {"keep": WHOLE | {"text": "x", "nothing": "x"}},
            "E004",
            ".nothing is declared but does not exist.",
        ),
        (
            {"keep": WHOLE | {"text": "x"}, "impersonal": {"text": "x"}},
            "E003",
            ".text is declared more than once.",
        ),
        ({"keep": WHOLE | {"text": ""}}, "E005", ".text is kept without a reason."),
        ({"keep": WHOLE | {"text": "  "}}, "E005", ".text is kept without a reason."),
        ({"keep": WHOLE | {"text": None}}, "E005", ".text is kept without a reason."),
        (
            {"subject": "session__nobody", "delete": True},
            "E006",
            ": the path 'session__nobody' does not lead to a data subject.",
        ),
        (
            {"subject": "session__webchat", "delete": True},
            "E006",
            ": the path 'session__webchat' does not lead to a data subject.",
        ),
        (
            {"subject": "text__anything", "delete": True},
            "E006",
            ": the path 'text__anything' does not lead to a data subject.",
        ),
        (
            {"subject": "session__guest", "mark": "at", "keep": WHOLE | {"text": "x"}},
            "E007",
            " carries a mark but lacks at, or does not erase uid.",
        ),
        ({"delete": True}, "E008", " erases something but names no subject."),
        ({"keep": WHOLE, "erase": {"text": ""}}, "E008", " erases something but names no subject."),
        ({"mark": "at"}, "E008", " erases something but names no subject."),
    ],
)
def test_wrong_declaration(declaration: dict[str, Any], code: str, said: str) -> None:
    error = Error(f"sessions_app.Message{said}", obj=Message, id=f"anonymization.{code}")
    assert error in list(check_registry(declare(**declaration), [Message]))


def test_relation_to_a_data_subject_cannot_be_impersonal() -> None:
    """A table of bookmarks would still say who read which conversation after its erasure."""
    declared = declare(impersonal=WHOLE | {"text": "a bookmark of staff"})
    declared._policies["sessions_app.session"] = registry.get(Session)
    said = (
        "sessions_app.Message.session refers to sessions_app.Session, which is erased with a data"
        " subject, but the policy names no subject."
    )
    assert list(check_registry(declared, [Message])) == [
        Error(said, obj=Message, id="anonymization.E016")
    ]


def test_who_has_no_policy_is_named() -> None:
    with pytest.raises(
        NotRegistered, match=r"^sessions_app\.Guest is not declared in any erasure\.py\.$"
    ):
        Registry().get(Guest)


def test_file_of_a_deleted_row_in_another_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine would look for the file in the default storage and treat it as deleted."""
    monkeypatch.setattr(
        Attachment._meta.get_field("file"), "storage", FileSystemStorage("elsewhere")
    )
    said = "sessions_app.Attachment.file is not in the default storage."
    assert list(check_registry(registry, [Attachment])) == [
        Error(said, obj=Attachment, id="anonymization.E012")
    ]


def test_second_registration_names_the_first() -> None:
    declared = declare(keep=WHOLE)
    with pytest.raises(
        AlreadyRegistered, match=rf"^sessions_app\.Message is registered already, in {__name__}\.$"
    ):
        declared.register("sessions_app.Message", keep=WHOLE)


@pytest.mark.django_db
def test_table_that_no_model_declares() -> None:
    assert check_database(None, databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE left_behind (name TEXT)")
    assert check_database(None, databases=["default"]) == [
        Error(
            "The table left_behind is in the database but no model declares it.",
            hint="Drop it, or declare its model in an erasure.py: it may hold personal data.",
            id="anonymization.E009",
        )
    ]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE left_behind")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (
            ["CREATE SCHEMA backup", "CREATE TABLE backup.left_behind (name text)"],
            "backup.left_behind",
        ),
        (
            ["CREATE SCHEMA backup", "CREATE TABLE backup.sessions_app_guest (name text)"],
            "backup.sessions_app_guest",
        ),
        (
            ["CREATE MATERIALIZED VIEW everybody AS SELECT name FROM sessions_app_guest"],
            "everybody",
        ),
        (["CREATE TABLE parted (name text) PARTITION BY LIST (name)"], "parted"),
    ],
    ids=["schema", "name of a model", "materialized view", "partitioned"],
)
def test_whatever_holds_rows_is_found(statements: list[str], name: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one schema and tables only")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        (found,) = check_database(None, databases=["default"])
        assert (found.id, f"The table {name} is" in found.msg) == ("anonymization.E009", True)
        cursor.execute("CREATE TEMP TABLE of_this_connection_only (name text)")
        assert len(check_database(None, databases=["default"])) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("pragma", ["secure_delete", "recursive_triggers"])
def test_unsafe_sqlite_connection_is_noticed(pragma: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("pragmas are SQLite's")
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {pragma} = OFF")
        try:
            said = f"The SQLite connection does not run with {pragma} as settings.py asks for."
            assert check_database(None, databases=["default"]) == [
                Error(said, id="anonymization.E011")
            ]
        finally:
            cursor.execute(f"PRAGMA {pragma} = ON")


@pytest.mark.django_db
def test_check_command_is_clean() -> None:
    call_command("check", databases=["default"], fail_level="WARNING")
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
