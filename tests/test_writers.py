"""Test that every writer of personal data locks the session and reads its state again.

The sources are searched, and the writers are run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from anonymization.policy import Policy, registry
from anonymization.storage import mark_storage
from sessions_app import calls, consent, conversation, lock
from sessions_app.models import Attachment, Channel, Message, Party, Session
from tests.database import digest, media
from tests.factories import (
    AttachmentFactory,
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
)
from tests.writers import GUARD, Names, Write, personal, writes_in

ROOT = Path(__file__).resolve().parent.parent
#: The modules of writers of personal data. ``_`` names are private to one of them.
SERVICES = [
    f"sessions_app/{name}.py" for name in ("lock", "conversation", "consent", "gate", "calls")
]
GATE, LOCK = "sessions_app/gate.py", "sessions_app/lock.py"
#: Not a part of the product: these modules use a separate database that they create.
OTHER_CODE = {"tests", "bench", "docs", "var", ".venv"}

#: Module, function, and statement → the reason why it needs no lock. A stale entry fails.
EXCEPTIONS = {
    f"{GATE} _create_session Session.objects.create()": "the gate: there is no row to lock yet",
    f"{GATE} _guest_for Guest.objects.create()": "the gate: there is no row to lock yet",
    f"{GATE} _guest_for GuestWord.objects.bulk_create()": "the gate: of a guest that nobody sees yet",
    f"{LOCK} give_life_signs LifeSign*": "locks the open sessions itself, and skips the rest",
    "sessions_app/conversation.py end_locked locked.*": "takes a LockedSession, which only the lock makes: mypy",
    "anonymization/engine.py _queue_files SQL on {}": "the engine itself; a queue of random names",
    "sessions_app/admin.py *Admin *Admin of a personal model": "read-only: the test below asks it",
    "demo/build.py Builder.*": "made-up people, in a database that nobody uses yet",
    "anonymization/batch.py _empty part.rows().update()": "the engine, for many at once",
    "anonymization/maintenance.py forget_facts rows.update()": "facts of erasures, no person's",
    "anonymization/batch.py _insert SQL on {}": "records of erasures",
    "anonymization/stricter.py _clear rows.update()": "sealed rows, which can only lose",
    "anonymization/system_columns.py unite_finished_periods SQL on {}": "sealed rows, without a change",
    "anonymization/ledger/recording.py new_note record.ground =": "a record of the ledger, no hold",
    "anonymization/redo.py _Redo.carry_out record.ground =": "a record of the ledger, no hold",
    "anonymization/models.py LedgerState.change cls.objects.update_or_create()": "the ledger, not a person",
    "anonymization/engine.py _empty_around record.kind =": "the record of an act, no signal",
    "anonymization/held.py *": "holds; the engine has locked the rows",
    "anonymization/staff/forms.py * of a personal model": "checks the values; holds.py stores them",
    "anonymization/holds.py *": "holds; lock_subject locks the rows as the engine does",
    "anonymization/canary/planting.py plant *.update()": "the verifier's own guest",
    "sessions_app/canaries.py _signal Signal.objects.create()": "the verifier's own guest",
    "sessions_app/canaries.py _signal LifeSign.objects.create()": "the verifier's own guest",
    "api/services.py _claim_key keys.get_or_create()": "keys of a client; `defaults` only the run knows",
    "webchat/consent_html.py _led_by_paragraph first.kind =": "a part of a text, no signal",
    "mluvii_gdpr/models.py EventsProcess.give_sign cls.objects.update_or_create()": "a host, not a person",
    "webchat/forms.py LogoField.to_python upload.name =": "a picture of the company",
    "webchat/controller.py save_controller rows.update()": "the company's own data",
    "webchat/services.py _save_settings setattr()": "settings of a WebChat",
    "webchat/services.py _save_settings locked.save()": "settings of a WebChat",
}

#: Functions that lock sessions to delete their rows and need not know their state, and their
#: callers.
OTHER_LOCKS = {"_delete_old_signals_of", "give_life_signs"}


def modules() -> dict[str, str]:
    """Return the source of each module, except migrations, which run while no one writes."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in OTHER_CODE]
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for path in sorted(paths)
        if "migrations" not in path.parts
    }


def unguarded(module: str, source: str) -> set[str]:
    return {f"{module} {w.function} {w.what}" for w in writes_in(source) if not w.guarded}


def test_every_writer_of_personal_data_goes_through_the_lock() -> None:
    found = {place for module, source in modules().items() for place in unguarded(module, source)}
    bare = {place for place in found if not any(fnmatch(place, known) for known in EXCEPTIONS)}
    assert not bare, f"they write personal data and do not call {GUARD} before"
    assert not {
        known for known in EXCEPTIONS if not any(fnmatch(place, known) for place in found)
    }, "stale"


def test_the_lock_is_taken_by_one_function_only() -> None:
    """A second way to lock and check would need the same maintenance."""
    for module, source in modules().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(
                node, ast.FunctionDef
            ) and "Session.objects.select_for_update" in ast.unparse(node):
                assert module == LOCK if node.name == GUARD else node.name in OTHER_LOCKS


#: Modules whose private functions count as guarded, by their last name.
PRIVATE = ("services", *(Path(module).stem for module in SERVICES))


def test_no_other_module_calls_private_functions_of_services() -> None:
    """A private function counts as guarded by what calls it in its own module."""
    for module, source in modules().items():
        for node in ast.walk(ast.parse(source)):
            names = []
            if isinstance(node, ast.ImportFrom) and str(node.module).endswith(PRIVATE):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith(PRIVATE):
                names = [node.attr]
            assert not [name for name in names if name.startswith("_")], module


ROGUES = {
    "a new row": "Message.objects.create(session=session, text='x')",
    "a new row, later": "await Message.objects.acreate(session=session, text='x')",
    "a row of its own": "Message(session=session, text='x').save()",
    "many rows": "Attachment.objects.bulk_create(rows)",
    "by the session": "session.messages.create(text='x')",
    "by a model that the run finds": "apps.get_model('sessions_app', 'Message').objects.create(body='x')",
    "by a path": "apps.get_model('sessions_app.Message').objects.create(body='x')",
    "a field": "session.note = 'x'\n    session.save()",
    "a field in a tuple": "other.x, session.note = 1, 'x'",
    "a field, added to": "session.note += 'x'",
    "a field of a row in a loop": "for session.note in notes: pass",
    "a field by its name": "setattr(session, 'note', 'x')",
    "a field by a name that the run finds": "setattr(session, name, 'x')",
    "a foreign key by its column": "session.guest_id = 7",
    "parameters": "session.params = {**session.params, 'x': 'y'}",
    "by a queryset": "rows.filter(pk=7).update(feedback_text='x')",
    "by names that the run finds": "rows.update(**values)",
    "by another's rows": "WebChat.objects.get().sessions.update(note='x')",
    "rows at once": "Session.objects.bulk_update(rows, ['note'])",
    "by the list of a save": "session.save(update_fields=['note'])",
    "by a list that the run finds": "session.save(update_fields=names)",
    "a stored file": "attachment.file.save('x', content)",
    "SQL": "cursor.execute('UPDATE sessions_app_session SET note = %s', ['x'])",
    "SQL on a table that the run finds": "cursor.execute(f'INSERT INTO {table} (note) VALUES (1)')",
    "a form that is made": "modelform_factory(Session, fields=['note'])",
    "an admin page": "admin.site.register(Message)",
    "locked too late": "session.note = 'x'\n    lock_writable(session)",
    "locked perhaps": "if x:\n        lock_writable(session)\n    session.note = 'x'",
    "refused and gone on": (
        "try:\n        lock_writable(session)\n    except SessionClosed:\n        pass\n    session.note = 'x'"
    ),
}
CLASSES = {
    "a form": "class Rogue(forms.ModelForm):\n    class Meta:\n        model = Session",
    "a serializer": "class Rogue(ModelSerializer):\n    class Meta:\n        model = Message",
    "a page": "class Rogue(UpdateView):\n    model = Session",
    "an inline": "class Rogue(admin.TabularInline):\n    model = models.Attachment",
    "an admin page": "@admin.register(Message)\nclass Rogue(admin.ModelAdmin):\n    pass",
    "another name": "from sessions_app.models import Message as M\nM.objects.create(text='x')",
    "a model's own method": "class Guest(Model):\n    def rename(self):\n        self.name = 'x'",
}


@pytest.mark.parametrize("rogue", [*ROGUES.values(), *CLASSES.values()], ids=[*ROGUES, *CLASSES])
def test_a_writer_that_passes_the_lock_by_is_found(rogue: str) -> None:
    source = (
        rogue if rogue in CLASSES.values() else f"@atomic\nasync def rogue(session):\n    {rogue}\n"
    )
    assert [write for write in writes_in(source) if not write.guarded]


def test_a_writer_is_found_for_every_field_that_is_erased() -> None:
    for policy in registry:
        for name in policy.fields if policy.delete else policy.erase:
            by_hand, by_set = f"row.{name} = value", f"Rows.filter(pk=1).update({name}=1)"
            assert all(unguarded("planted.py", source) for source in (by_hand, by_set)), name


def test_a_new_field_or_model_is_looked_for_by_itself() -> None:
    sources = [
        "webchat.colour = 'x'",
        "WebChat.objects.create(name='x')",
        "UPDATE = 'UPDATE webchat_webchat SET x'",
    ]
    policies = [Policy(label="webchat.WebChat", declared_in="here", erase={"colour": ""})]
    for source in sources:
        assert not writes_in(source), source
        assert writes_in(source, Names.of(policies)), source


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("@atomic\ndef f(s):\n    row = lock_writable(s)\n    row.note = 1", True),
        ("@transaction.atomic\ndef f(s):\n    queue(lock_writable(s).uid, Message(session=s))", True),
        ("def f(s):\n    with transaction.atomic():\n        row = lock_writable(s)\n        row.note = 1", True),
        ("def f(s):\n    with transaction.atomic():\n        row = lock_writable(s)\n    row.note = 1", False),
        ("def f(s):\n    row = lock_writable(s)\n    row.note = 1", False),
        ("@atomic\ndef f(s):\n    row = lock_writable(s)\n    _g(row)\ndef _g(row):\n    row.note = 1", True),
        ("@atomic\ndef f(s):\n    _g(s)\n    lock_writable(s)\ndef _g(row):\n    row.note = 1", False),
        ("@atomic\ndef f(s):\n    row = lock_writable(s)\n    _g(row)\ndef _g(row):\n    row.note = 1\nH = _g", False),
        ("@atomic\ndef f(s):\n    row = lock_writable(s)\n    g(row)\ndef g(row):\n    row.note = 1", False),
        ("def _g(row):\n    row.note = 1", False),
        ("@atomic\ndef f(s):\n    lock_writable(s)\n    def g(row):\n        row.note = 1\n    return g", False),
    ],
)  # fmt: skip
def test_a_lock_guards_the_following_statements_of_its_transaction(
    source: str, guarded: bool
) -> None:
    writes: list[Write] = writes_in(source)
    assert writes
    assert all(write.guarded for write in writes) == guarded


def test_other_statements_are_not_reported() -> None:
    for source in (
        "class View:\n    def get(self):\n        self.session = 1",
        "class F(FilterSet):\n    class Meta:\n        model = Session",
        "found.update(policy.counts)",
        "WebChat.objects.filter(pk=1).update(name='x')",
        "session.messages.filter(text='x').count()",
        "form.save()",
        "'''UPDATE sessions_app_session in a docstring'''",
    ):
        assert not writes_in(source), source


# What they do -------------------------------------------------------------------------------------------

WRITERS: dict[str, Callable[[Session, User], Any]] = {
    "post_message": lambda session, operator: MessageFactory(
        session=session, sender=Party.OPERATOR, text="Kassiopeia", author=operator
    ),
    "attach_file": lambda session, operator: AttachmentFactory(
        session=session, sender=Party.OPERATOR, content=b"Kassiopeia", author=operator
    ),
    "accept_session": lambda session, operator: conversation.accept_session(session, operator=operator),
    "release_session": lambda session, operator: conversation.release_session(session, operator=operator),
    "post_signal": lambda session, operator: calls.post_signal(
        session, sender=Party.OPERATOR, kind="offer", body='{"sdp": "Kassiopeia"}', author=operator
    ),
    "forget_signals": lambda session, operator: calls.forget_signals(
        session, sender=Party.VISITOR, up_to=10**9, reader=operator
    ),
    "give_feedback": lambda session, operator: conversation.give_feedback(session, stars=2, text="Kassiopeia"),
    "set_note": lambda session, operator: conversation.set_note(session, note="Kassiopeia", result="Kassiopeia"),
    "record_withdrawal": lambda session, operator: consent.record_withdrawal(session),
    "end_session": lambda session, operator: conversation.end_session(session, by=Party.OPERATOR),
}  # fmt: skip


def test_every_writer_is_called_below() -> None:
    sources = modules()
    lockers = {
        node.name
        for module in SERVICES
        for node in ast.parse(sources[module]).body
        if isinstance(node, ast.FunctionDef) and f"{GUARD}(" in ast.unparse(node.body)  # type: ignore[arg-type]
    }
    assert {name for name in lockers if not name.startswith("_")} - {GUARD} == WRITERS.keys()


def transactions(statements: list[str]) -> list[list[str]]:
    """Return the statements on personal rows of each transaction that the writer opened."""
    opened: list[list[str]] = [[]]
    for statement in statements:
        if statement.startswith("SAVEPOINT"):
            opened.append([])
        if any(f'"{table}"' in statement for table in personal().tables):
            opened[-1].append(statement)
    return [part for part in opened if part]


def ready_for(name: str, session: Session, operator: User) -> tuple[Session, User]:
    """Bring a session into the state that the writer needs."""
    if name.endswith(("_signal", "_signals")):
        Session.objects.filter(pk=session.pk).update(channel=Channel.AV)
    if name.endswith(("_signal", "_signals")) or name == "release_session":
        conversation.accept_session(session, operator=operator)
    if name == "give_feedback":
        conversation.end_session(session, by=Party.VISITOR)
    return session, operator


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_locks_the_session_before_anything_else(name: str) -> None:
    session, operator = ready_for(name, SessionFactory(), StaffFactory())
    with CaptureQueriesContext(connection) as queries:
        WRITERS[name](session, operator)
    parts = transactions([query["sql"] for query in queries])
    assert parts
    for first, *rest in parts:
        assert first.startswith("SELECT")
        assert f'"sessions_app_session"."id" = {session.pk}' in first
        assert connection.vendor == "sqlite" or "FOR UPDATE" in first, (
            "SQLite locks the database as it begins"
        )
        assert not [statement for statement in rest if statement.startswith("SELECT")], (
            "it was read already"
        )


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["session", "guest"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_sealed_row_refuses_a_writer_that_knew_it_before(name: str, kind: str) -> None:
    session, operator = ready_for(name, SessionFactory(), StaffFactory())
    subject: Any = session if kind == "session" else session.guest
    ErasureFactory(subject=subject)
    assert session.anonymized_in is None, "the writer's copy is older"
    mark_storage()
    before = digest()
    write = partial(WRITERS[name], session, operator)
    if name == "end_session":
        write()
    else:
        with pytest.raises(lock.SessionClosed):
            write()
    assert digest() == before
    assert not Message.objects.exists()
    assert not Attachment.objects.exists()
    assert media() == {}


@pytest.mark.django_db
@pytest.mark.parametrize("name", WRITERS)
def test_an_ended_conversation_takes_a_note_feedback_and_a_withdrawal_and_nothing_else(
    name: str,
) -> None:
    session, operator = SessionFactory(), StaffFactory()
    conversation.end_session(Session.objects.get(pk=session.pk), by=Party.VISITOR)
    mark_storage()
    before = digest()
    if name in {"set_note", "give_feedback", "record_withdrawal", "end_session"}:
        WRITERS[name](session, operator)
    else:
        with pytest.raises(lock.SessionClosed):
            WRITERS[name](session, operator)
    assert (digest() == before) == (name not in {"set_note", "give_feedback", "record_withdrawal"})
    assert media() == {}


@pytest.mark.parametrize(
    "policy", [p for p in registry if p.delete or p.erase], ids=lambda policy: policy.label
)
def test_the_admin_changes_no_row_of_a_person(policy: Policy) -> None:
    page = admin.site._registry.get(policy.model)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    if page is not None:
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.get_inline_instances(request)
        assert not getattr(page, "list_editable", ())
