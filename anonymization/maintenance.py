"""The bytes of what was erased: giving them back, and knowing whether that was done.

A database keeps the bytes of deleted and changed rows until it uses their place again. SQLite overwrites them
(``secure_delete``) but for rare copies in index pages and what stands in the write-ahead log; PostgreSQL's plain
``VACUUM`` leaves them readable in the files. So an erasure is *logically* complete when nobody can read the data
through the product or by SQL and the stored files are gone, and *physically* complete when the tables were rewritten
afterwards. Write-ahead logs that were archived, replicas, backups, freed blocks of file systems and disks are beyond
this: see docs/erasure.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from anonymization.models import Erasure, Maintenance
from anonymization.policy import registry

#: How long a run waits for transactions that began before it.
WAIT = timedelta(seconds=5)


class Unfinished(Exception):
    """The run could not do all of it; the message says why, for an administrator."""


@dataclass(frozen=True)
class Outcome:
    """A run that did all that its database role may do, and the tables that the role may not maintain.

    While tables are skipped, the run has no end and completes no erasure.
    """

    run: Maintenance
    skipped: list[str]


def maintain(*, rewrite: bool = False, wait: timedelta = WAIT) -> Outcome:
    """Give back the bytes of what was erased; on PostgreSQL only with ``rewrite``, which locks each table in turn.

    Without ``rewrite`` PostgreSQL only renews its statistics, in which frequent values stand in the clear: those of
    emptied rows, since of deleted ones there are none (``planner``). Nobody waits for the run longer than ``wait``, and
    it waits no longer for anybody. Must not run within a transaction.

    Raises:
        Unfinished: something is left that another run may do; the run is recorded without an end.
    """
    sqlite = connection.vendor == "sqlite"
    run = Maintenance.objects.create(started_at=timezone.now(), rewritten=rewrite or sqlite)
    try:
        skipped = _rewrite_sqlite(wait) if sqlite else _maintain_postgresql(wait, rewrite=rewrite)
    except DatabaseError as error:
        raise Unfinished(str(error).strip().partition("\n")[0]) from None
    if not skipped:
        run.finished_at = timezone.now()
        run.save(update_fields=["finished_at"])
    return Outcome(run, skipped)


def statement_for_a_superuser() -> str:
    """Return the SQL statement after which this PostgreSQL role may maintain every table of its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT format('ALTER DATABASE %I OWNER TO %I;', current_database(), current_user)")
        return str(cursor.fetchone()[0])


def tables() -> list[str]:
    """Return the tables that an erasure changes."""
    return sorted(p.model._meta.db_table for p in registry if p.erase or p.delete or p.mark)


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _rewrite_sqlite(wait: timedelta) -> list[str]:
    """Rewrite the file when something was erased since the last time, and empty the write-ahead log.

    Returns the skipped tables: none, since SQLite has no roles.

    A reader lets a checkpoint end without an error; only its row says so.
    """
    usual = connection.settings_dict["OPTIONS"]["timeout"]
    _execute(f"PRAGMA busy_timeout = {_milliseconds(wait)}")
    try:
        if erased_since_last_run().exists():
            _execute("VACUUM")
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()[0]
    finally:
        _execute(f"PRAGMA busy_timeout = {usual * 1000}")
    if busy:
        raise Unfinished("Somebody reads the database, so that its write-ahead log could not be emptied.")
    return []


def _milliseconds(wait: timedelta) -> int:
    # Nought would mean for ever to PostgreSQL.
    return max(1, int(wait.total_seconds() * 1000))


def _maintain_postgresql(wait: timedelta, *, rewrite: bool) -> list[str]:
    """Analyze the tables, and with ``rewrite`` rewrite them; return those that the role may not maintain.

    ``pg_statistic`` is rewritten too: it keeps the old versions of rows that hold frequent values. It comes last, after
    every ANALYZE. The owner of a database may rewrite all tables in it, the catalog's included. No CHECKPOINT is
    needed, which only a superuser may run: a rewrite cuts the old files to nothing when it commits.
    """
    command, relations = "ANALYZE", tables()
    if rewrite:
        command, relations = "VACUUM (FULL, ANALYZE)", [*relations, "pg_statistic"]
        _wait_for_older_transactions(wait)
    _execute(f"SET lock_timeout = {_milliseconds(wait)}", "SET client_min_messages = warning")
    try:
        return [relation for relation in relations if not _is_maintained(command, relation)]
    finally:
        _execute("RESET lock_timeout", "RESET client_min_messages")


def _is_maintained(command: str, relation: str) -> bool:
    """Run VACUUM or ANALYZE on a table and say whether PostgreSQL did it.

    Without the right to maintain the table, PostgreSQL skips it with a warning and no error.
    """
    with _warnings() as warned:
        _execute(f"{command} {connection.ops.quote_name(relation)}")
    return not warned


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Yield a list that receives PostgreSQL's warnings on this connection."""
    warned: list[str] = []

    def receive(diagnostic: Any) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warned.append(diagnostic.message_primary)

    connection.ensure_connection()
    raw = connection.connection
    raw.add_notice_handler(receive)
    try:
        yield warned
    finally:
        raw.remove_notice_handler(receive)


def _wait_for_older_transactions(wait: timedelta) -> None:
    """Wait for whatever makes VACUUM keep erased rows, which it does without a word.

    That is each snapshot of this database, autovacuum's too, whose ANALYZE may also write down what it read before;
    each transaction of *any* database of the server, since a new snapshot reaches back to it; and what is kept for
    standbys, replication slots and prepared transactions. Only numbers of transactions count, no clock.

    Raises:
        Unfinished: one is still there.
    """
    mark = _own_transaction()
    deadline = time.monotonic() + wait.total_seconds()
    while _holds_back(mark):
        if time.monotonic() >= deadline:
            raise Unfinished("A transaction that began before is still open, and may see what was erased.")
        time.sleep(0.05)


def _own_transaction() -> int:
    """Return the number of a transaction of our own, newer than all that has erased anything."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        return int(cursor.fetchone()[0])


def _holds_back(mark: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM ("
            "SELECT backend_xid FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "UNION ALL SELECT backend_xmin FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND coalesce(datname, current_database()) = current_database() "
            "UNION ALL SELECT transaction FROM pg_prepared_xacts "
            "UNION ALL SELECT unnest(ARRAY[xmin, catalog_xmin]) FROM pg_replication_slots "
            "UNION ALL SELECT backend_xmin FROM pg_stat_replication"
            ") AS held (xid) WHERE age(xid) > age(%s::text::xid8::xid))",
            [str(mark)],
        )
        return bool(cursor.fetchone()[0])


def finished_runs() -> QuerySet[Maintenance]:
    """Return the runs after which no byte of what was erased before them is left."""
    return Maintenance.objects.exclude(finished_at=None).filter(rewritten=True)


def erased_since_last_run() -> QuerySet[Erasure]:
    """Return the erasures whose bytes may still be readable: all that were not complete when the last run began."""
    last = finished_runs().order_by("-started_at").first()
    erasures = Erasure.objects.of_people()
    if last is None:
        return erasures
    later = erasures.annotate(complete_at=Coalesce(F("files_deleted__at"), F("created_at")))
    return later.filter(Q(complete_at__gte=last.started_at) | Q(file_deletions__isnull=False)).distinct()


def logically_complete_at(erasure: Erasure) -> datetime | None:
    """Return when the rows were emptied and the last stored file was gone; None while files are pending."""
    if erasure.pending_files:
        return None
    deleted = getattr(erasure, "files_deleted", None)
    return deleted.at if deleted else erasure.created_at


def physically_complete_at(erasure: Erasure) -> datetime | None:
    """Return when the first run ended that began after the erasure was logically complete; None while there is none."""
    complete = logically_complete_at(erasure)
    if complete is None:
        return None
    run = finished_runs().filter(started_at__gte=complete).order_by("finished_at").first()
    return run.finished_at if run else None
