"""Test that erased values are removed from the database files, and that a record says so."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonymization import files, maintenance, planner
from anonymization.models import Erasure, FileDeletion, Job, LastRun, Maintenance
from bench.postgres import data_folders
from sessions_app.models import Session
from tests.factories import AttachmentFactory, ErasureFactory, MessageFactory, SessionFactory
from tests.pages import LogIn
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = b"kanarphysical"


def run(command: str, *arguments: str) -> str:
    printed = StringIO()
    call_command(command, *arguments, stdout=printed)
    return printed.getvalue()


def rewrite(*arguments: str) -> str:
    """Wait for as long as a transaction of a concurrent test may take."""
    return run("maintain", "--rewrite", "--wait", "60", *arguments)


def erase(subject: Any) -> Erasure:
    return ErasureFactory(subject=subject)


def conversation(email: str = "kanar@example.com") -> Session:
    session = SessionFactory(name="Kanar Kanarova", email=email)
    for number in range(20):
        MessageFactory(session=session, text=f"{CANARY.decode()} {number} " * 20)
    return session


def bytes_of_the_database(*, checkpoint: bool = True) -> bytes:
    """Return the content of the database files."""
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        return b"".join(p.read_bytes() for p in path.parent.glob(f"{path.name}*"))
    with connection.cursor() as cursor:
        data, _log = data_folders(cursor, checkpoint=checkpoint)
    if not data.is_dir():
        pytest.skip("the files of this server are elsewhere")
    return b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())


@contextmanager
def somebody_reading() -> Iterator[None]:
    """Keep a transaction open that has read, on a separate connection."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(name, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sessions_app_message").fetchone()
            yield
        return
    with connected_to(name) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM sessions_app_message")
        yield


def connected_to(database: str) -> psycopg.Connection:
    """Return a separate connection to a database of the same server, in a transaction."""
    parameters = connection.get_connection_params() | {"dbname": database}
    wanted = {"dbname", "user", "password", "host", "port"}
    return psycopg.connect(**{key: value for key, value in parameters.items() if key in wanted})


def test_what_was_erased_leaves_the_files_with_a_rewrite() -> None:
    session = conversation()
    assert CANARY in bytes_of_the_database(), "the positive control"
    record = erase(session)
    if connection.vendor == "postgresql":
        run("maintain")
        assert CANARY in bytes_of_the_database(), "no rewrite, no promise"
    assert maintenance.physically_complete_at(record) is None
    assert "Erasures that are not physically complete: 0" in rewrite()
    assert CANARY not in bytes_of_the_database()
    done = maintenance.physically_complete_at(record)
    assert done is not None
    assert done >= record.created_at
    assert Session.objects.get().anonymized_in is not None


def test_a_run_that_somebody_hinders_says_so_and_counts_for_nothing() -> None:
    record = erase(conversation())
    with somebody_reading(), pytest.raises(CommandError, match="Pending"):
        run("maintain", "--rewrite", "--wait", "0.2")
    assert Maintenance.objects.get().finished_at is None
    assert LastRun.objects.get(job=Job.MAINTENANCE).failed_at is not None
    assert maintenance.physically_complete_at(record) is None
    assert maintenance.erased_since_last_run().count() == 1
    with pytest.raises(CommandError, match=r"^maintenance: the last run failed\.$"):
        run("erasure_status")
    rewrite()
    assert LastRun.objects.get(job=Job.MAINTENANCE).failed_at is None
    assert maintenance.physically_complete_at(record) is not None
    assert json.loads(run("erasure_status", "--json"))["not_physically_complete"] == 0


def test_a_transaction_of_another_database_hinders_and_a_snapshot_does_not() -> None:
    """VACUUM keeps what the oldest transaction of the server may see, also for new snapshots."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one database to a file")
    with connected_to("postgres") as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        erase(conversation())
        said = r"^Pending: A transaction that began before is still open, and may see what was erased\.$"
        with pytest.raises(CommandError, match=said):
            run("maintain", "--rewrite", "--wait", "0.2")
        elsewhere.rollback()
        elsewhere.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elsewhere.execute("SELECT count(*) FROM pg_class")
        rewrite()
    assert CANARY not in bytes_of_the_database()


def test_a_run_does_not_count_for_what_was_erased_after_it_began() -> None:
    early = erase(conversation())
    finished = json.loads(rewrite("--json"))
    assert finished == {
        "rewritten": True, "not_physically_complete": 0, "skipped": [], "not_in_key_order": [],
        "left_for_superuser": [],
    }  # fmt: skip
    late = erase(conversation())
    assert maintenance.physically_complete_at(early) is not None
    assert maintenance.physically_complete_at(late) is None
    assert list(maintenance.erased_since_last_run()) == [late]


def test_an_erasure_is_logically_complete_when_its_last_file_is_gone(
    monkeypatch: pytest.MonkeyPatch, log_in: LogIn
) -> None:
    session = conversation()
    AttachmentFactory(session=session)
    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", lambda name: None)
        record = erase(session)
    officer = log_in("officer")
    url = f"/erasures/{record.pk}/"
    assert "1 stored file still has to be deleted" in officer.get(url).content.decode()
    told = officer.get(f"{url}json/").json()
    assert told["logically_complete_at"] is told["physically_complete_at"] is None
    rewrite()
    assert list(maintenance.erased_since_last_run()) == [record]
    before = timezone.now()
    assert files.delete_pending_files() == 0
    complete = maintenance.logically_complete_at(Erasure.objects.get())
    assert complete is not None
    assert complete >= before
    assert maintenance.physically_complete_at(Erasure.objects.get()) is None, "the run was before"
    rewrite()
    page = officer.get(url).content.decode()
    assert "Done: content and files are deleted, identifying fields are cleared" in page
    assert "Done: the tables have been rewritten since" in page
    assert officer.get(f"{url}json/").json()["physically_complete_at"]


def test_files_of_several_erasures_end_each_by_itself(webchat: WebChat) -> None:
    first, second = (
        erase(SessionFactory(webchat=webchat, email=f"{n}@example.com")) for n in range(2)
    )
    for record, name in ((first, "a"), (first, "b"), (second, "c")):
        FileDeletion.objects.create(erasure=record, name=name)
    files.settle(FileDeletion.objects.filter(name__in=["a", "c"]))
    assert [e.pk for e in Erasure.objects.filter(files_deleted__isnull=False)] == [second.pk]
    files.settle(FileDeletion.objects.filter(name="b"))
    assert Erasure.objects.filter(files_deleted__isnull=False).count() == 2


def test_a_lock_that_is_not_got_in_time_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks no tables")
    erase(conversation())
    monkeypatch.setattr(maintenance, "_holds_back", lambda mark: False)
    with somebody_reading(), pytest.raises(maintenance.Unfinished, match="lock timeout"):
        maintenance.maintain(rewrite=True, wait=timedelta(milliseconds=100))
    assert Maintenance.objects.get().finished_at is None


@contextmanager
def acting_as_a_role_without_superuser(*, owns_database: bool) -> Iterator[str]:
    """Let the product's connection use a role that may use all tables, and may own the database."""
    role, database = f"maintainer_{os.getpid()}", str(connection.settings_dict["NAME"])
    begin = [
        f"CREATE ROLE {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ]
    end = ["RESET SESSION AUTHORIZATION"]
    if owns_database:
        begin += [f"ALTER DATABASE {database} OWNER TO {role}"]
        end += [f"ALTER DATABASE {database} OWNER TO SESSION_USER"]
    execute(*begin, f"SET SESSION AUTHORIZATION {role}")
    try:
        yield role
    finally:
        execute(*end, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def _postgresql_only() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no roles")


@pytest.mark.usefixtures("_postgresql_only")
def test_the_owner_of_the_database_rewrites_everything_without_being_a_superuser(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sessions = [conversation(f"{number}@example.com") for number in range(3)]
    # Columns with words have no statistics. An older release had some.
    execute("ALTER TABLE sessions_app_guest ALTER COLUMN name SET STATISTICS 100")
    execute("ANALYZE sessions_app_guest")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE '%Kanar%'")
        assert cursor.fetchone()[0] >= 1, "the positive control"
    assert b"Kanar" in bytes_of_the_database(), "all of it is in the files"
    for session in sessions:
        erase(session)
    with acting_as_a_role_without_superuser(owns_database=True):
        assert json.loads(rewrite("--json")) == {
            "rewritten": True, "not_physically_complete": 0, "skipped": [],
            "not_in_key_order": ["sessions_app_guest", "sessions_app_session"], "left_for_superuser": [],
        }  # fmt: skip
    # First without a checkpoint, which the role has no right to run.
    for checkpoint in (False, True):
        left = bytes_of_the_database(checkpoint=checkpoint)
        assert CANARY not in left
        assert b"Kanar" not in left
    assert capsys.readouterr().err.startswith(
        "Not in the order of their keys, because this database role does not own them: "
        "sessions_app_guest, sessions_app_session. "
    )
    assert not Maintenance.objects.get().in_key_order
    planner.after_migrate(using="default")


@pytest.mark.usefixtures("_postgresql_only")
def test_a_role_that_does_not_own_the_database_is_told_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = erase(conversation())
    tables, database = maintenance.tables(), connection.settings_dict["NAME"]
    with acting_as_a_role_without_superuser(owns_database=False) as role:
        statement = f"ALTER DATABASE {database} OWNER TO {role};"
        assert json.loads(rewrite("--json")) == {
            "rewritten": True,
            "not_physically_complete": 1,
            "skipped": [*tables, "pg_statistic"],
            "not_in_key_order": [],
            "left_for_superuser": [statement],
        }
        assert run("maintain") == "Partly done. Erasures that are not physically complete: 1.\n"
    assert capsys.readouterr().err.splitlines() == [
        f"Skipped, because this database role may not maintain them: {', '.join(skipped)}. "
        f"A superuser must run once: {statement} Then run this command again."
        for skipped in ([*tables, "pg_statistic"], tables)
    ]
    assert maintenance.physically_complete_at(record) is None
    assert not Maintenance.objects.exclude(finished_at=None).exists()


@pytest.mark.usefixtures("_postgresql_only")
def test_the_owner_of_tables_alone_rewrites_them_and_completes_nothing() -> None:
    erase(conversation())
    with acting_as_a_role_without_superuser(owns_database=False) as role:
        execute("RESET SESSION AUTHORIZATION")
        owned = [f"ALTER TABLE {table} OWNER TO " for table in maintenance.tables()]
        execute(*(f"{statement}{role}" for statement in owned), f"SET SESSION AUTHORIZATION {role}")
        try:
            told = json.loads(rewrite("--json"))
        finally:
            execute(
                "RESET SESSION AUTHORIZATION", *(f"{statement}SESSION_USER" for statement in owned)
            )
    assert (told["skipped"], told["not_physically_complete"]) == (["pg_statistic"], 1)
    assert CANARY not in bytes_of_the_database()


@pytest.mark.usefixtures("_postgresql_only")
def test_a_role_without_superuser_sees_the_transactions_of_others() -> None:
    """PostgreSQL hides other roles' statements from it, but not their transaction numbers."""
    name = str(connection.settings_dict["NAME"])
    for database, begin in ((name, "SELECT count(*) FROM sessions_app_message"),
                            ("postgres", "SELECT pg_current_xact_id()")):  # fmt: skip
        with connected_to(database) as other:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute(begin)
            with (
                acting_as_a_role_without_superuser(owns_database=True),
                pytest.raises(CommandError, match="A transaction that began before is still open"),
            ):
                run("maintain", "--rewrite", "--wait", "0.2")


@pytest.mark.django_db
def test_a_database_that_fails_leaves_the_run_unfinished_and_says_the_first_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: Any) -> None:
        raise OperationalError("\ncanceling statement due to lock timeout\nDETAIL: something")

    work = "_rewrite_sqlite" if connection.vendor == "sqlite" else "_maintain_postgresql"
    monkeypatch.setattr(maintenance, work, fail)
    with pytest.raises(maintenance.Unfinished) as unfinished:
        maintenance.maintain(rewrite=True)
    assert str(unfinished.value) == "canceling statement due to lock timeout"
    assert Maintenance.objects.get().finished_at is None


def test_somebody_reading_is_waited_for_as_long_as_asked_and_no_longer() -> None:
    assert [maintenance._milliseconds(timedelta(seconds=s)) for s in (0, 0.0015, 1.5)] == [
        1,
        1,
        1500,
    ]
    if connection.vendor != "sqlite":
        return
    with somebody_reading(), pytest.raises(maintenance.Unfinished) as unfinished:
        maintenance.maintain(wait=timedelta(milliseconds=50))
    assert str(unfinished.value) == (
        "Somebody reads the database, so that its write-ahead log could not be emptied."
    )
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (connection.settings_dict["OPTIONS"]["timeout"] * 1000,)


def test_a_transaction_that_ends_in_time_hinders_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets the database wait")
    with connected_to("postgres") as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        monkeypatch.setattr(maintenance.time, "sleep", lambda seconds: elsewhere.rollback())
        maintenance._wait_for_older_transactions(timedelta(seconds=60))


def test_the_file_is_rewritten_only_after_an_erasure() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL rewrites its tables when it is asked to")

    def rewritten() -> bool:
        with CaptureQueriesContext(connection) as queries:
            maintenance.maintain()
        return "VACUUM" in [query["sql"] for query in queries.captured_queries]

    session = conversation()
    assert not rewritten()
    erase(session)
    assert [rewritten(), rewritten()] == [True, False]


def test_without_its_facts_an_erasure_is_complete_with_the_end_of_its_day() -> None:
    record = Erasure(day=date(2026, 10, 15), created_at=None)
    end = datetime(2026, 10, 15, 23, 59, 59, 999999, tzinfo=timezone.get_current_timezone())
    assert maintenance._end_of(record.day) == end


def test_every_table_that_an_erasure_changes_is_rewritten() -> None:
    assert maintenance.tables() == [
        "anonymization_awaitingfiles",
        "anonymization_dueerasure",
        "anonymization_erasure",
        "anonymization_filedeletion",
        "anonymization_filesdeleted",
        "anonymization_hold",
        "sessions_app_attachment",
        "sessions_app_evidenceanchor",
        "sessions_app_guest",
        "sessions_app_guestword",
        "sessions_app_lifesign",
        "sessions_app_message",
        "sessions_app_session",
        "sessions_app_signal",
    ]
