"""Remove erased data from the database files, and record whether this was done.

A database does not overwrite deleted or changed rows until it reuses their space. SQLite overwrites
them (``secure_delete``), except for rare copies in index pages and data in the write-ahead log.
PostgreSQL's plain ``VACUUM`` leaves them readable in the files.

An erasure is *logically* complete when nobody can read the data with the product or with SQL, and
the stored files are deleted. It is *physically* complete when the tables were rewritten afterwards.
This does not cover archived write-ahead logs, replicas, backups, and freed blocks of file systems
and disks: see docs/erasure.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from anonymization.models import AwaitingFiles, Erasure, FileDeletion, FilesDeleted, Maintenance
from anonymization.policy import registry
from anonymization.system_columns import order_by_key, unite_finished_periods
from lib.days import next_period, period_of, start_of_day

#: The time that a run waits for transactions that began before it.
WAIT = timedelta(seconds=5)


class Unfinished(Exception):
    """The run could not be completed; the message is the reason, for an administrator."""


@dataclass(frozen=True)
class Outcome:
    """The result of a run: the run itself and the tables that the database role may not maintain.

    If tables were skipped, the run has no end and completes no erasure. ``unordered`` are rewritten
    tables whose rows are not in the order of their keys, because the role does not own the table.
    """

    run: Maintenance
    skipped: list[str]
    unordered: list[str] = field(default_factory=list)


def maintain(*, rewrite: bool = False, wait: timedelta = WAIT) -> Outcome:
    """Forget the facts of finished periods, and remove erased data from the database files.

    PostgreSQL does this only with ``rewrite``, which locks one table after the other. Without
    ``rewrite`` PostgreSQL renews its statistics, and the rows of finished periods get a common
    ``xmin`` (see ``system_columns``). The run waits at most ``wait`` for a lock, so that other
    transactions wait at most that long before the run begins. It must not be called inside a
    transaction.

    Raises:
        Unfinished: another run may complete the work; this run is stored without an end.
    """
    forget_facts()
    delete_expired_rows()
    sqlite = connection.vendor == "sqlite"
    run = Maintenance.objects.create(started_at=timezone.now(), rewritten=rewrite or sqlite)
    outcome = Outcome(run, [])
    try:
        if sqlite:
            _rewrite_sqlite(wait)
        else:
            _maintain_postgresql(outcome, wait)
    except DatabaseError as error:
        raise Unfinished(str(error).strip().partition("\n")[0]) from None
    if not outcome.skipped:
        run.finished_at = timezone.now()
        run.in_key_order = run.rewritten and not outcome.unordered
        run.save(update_fields=["finished_at", "in_key_order"])
    return outcome


def statement_for_a_superuser() -> str:
    """Return the SQL statement that allows this PostgreSQL role to maintain all tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('ALTER DATABASE %I OWNER TO %I;', current_database(), current_user)"
        )
        return str(cursor.fetchone()[0])


def tables() -> list[str]:
    """Return the names of the tables that an erasure changes.

    The ledger and the queue of files had clear facts and references that are deleted later, and the
    anchors of evidence had finer ranges.
    """
    queue = {model._meta.label for model in (AwaitingFiles, FileDeletion, FilesDeleted)}
    return sorted(
        p.model._meta.db_table
        for p in registry
        if p.erase or p.delete or p.mark or p.forgettable or p.covered_by or p.label in queue
    )


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _rewrite_sqlite(wait: timedelta) -> None:
    """Rewrite the file if data was erased since the last run, and truncate the write-ahead log.

    SQLite stores rows in the order of their keys. A concurrent reader prevents a complete
    checkpoint. SQLite then raises no error; only the returned row tells.
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
        raise Unfinished(
            "Somebody reads the database, so that its write-ahead log could not be emptied."
        )


def _milliseconds(wait: timedelta) -> int:
    # PostgreSQL interprets 0 as no timeout.
    return max(1, int(wait.total_seconds() * 1000))


def _maintain_postgresql(outcome: Outcome, wait: timedelta) -> None:
    """Analyze the tables, or rewrite them; add the tables that were skipped to the outcome.

    A table is skipped if the role may not maintain it. ``pg_statistic`` is rewritten too, because
    it keeps old versions of rows with frequent values. It is last, after every ANALYZE. The owner
    of a database may rewrite all its tables, including the catalog. A CHECKPOINT, which only a
    superuser may run, is not necessary: a rewrite truncates the old files when it commits.
    """
    _execute(f"SET lock_timeout = {_milliseconds(wait)}", "SET client_min_messages = warning")
    try:
        unite_finished_periods()
        if outcome.run.rewritten:
            # Wait after the update, whose old versions the rewrite would otherwise keep.
            _wait_for_older_transactions(wait)
            for relation in [*tables(), "pg_statistic"]:
                _rewrite_table(outcome, relation)
        else:
            outcome.skipped.extend(t for t in tables() if not _is_maintained("ANALYZE", t))
    finally:
        _execute("RESET lock_timeout", "RESET client_min_messages")


def _rewrite_table(outcome: Outcome, relation: str) -> None:
    """Rewrite a table, in the order of its keys if it has anonymized rows."""
    marked = {policy.model._meta.db_table: policy for policy in registry if policy.mark}
    ordered = relation in marked and order_by_key(marked[relation])
    if not _is_maintained("ANALYZE" if ordered else "VACUUM (FULL, ANALYZE)", relation):
        outcome.skipped.append(relation)
    elif relation in marked and not ordered:
        outcome.unordered.append(relation)


def _is_maintained(command: str, relation: str) -> bool:
    """Run VACUUM or ANALYZE on a table and return whether PostgreSQL executed it.

    If the role may not maintain the table, PostgreSQL skips it with a warning and no error.
    """
    with _warnings() as warned:
        _execute(f"{command} {connection.ops.quote_name(relation)}")
    return not warned


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Yield a list to which PostgreSQL's warnings on this connection are appended."""
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
    """Wait for all transactions that make VACUUM silently keep erased rows.

    These are:

    - each snapshot of this database, including those of autovacuum, whose ANALYZE may also store
      values that it read earlier
    - each transaction of *any* database of the server, because a new snapshot reaches back to it
    - transactions that are held for standbys, replication slots and prepared transactions

    Only transaction numbers are compared, not times.

    Raises:
        Unfinished: such a transaction is still open.
    """
    mark = _own_transaction()
    deadline = time.monotonic() + wait.total_seconds()
    while _holds_back(mark):
        if time.monotonic() >= deadline:
            raise Unfinished(
                "A transaction that began before is still open, and may see what was erased."
            )
        time.sleep(0.05)


def _own_transaction() -> int:
    """Return the number of a new transaction, which is later than all erasures so far."""
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


def is_linked_by_system_columns(erasure: Erasure) -> bool:
    """Return whether PostgreSQL still shows which rows the erasure anonymized.

    That is the case until a run has rewritten the tables, in the order of keys, after the end of
    the period.
    """
    if connection.vendor == "sqlite" or erasure.rows < 2:
        return False
    over = start_of_day(next_period(erasure.day))
    return not finished_runs().filter(in_key_order=True, started_at__gte=over).exists()


def finished_runs() -> QuerySet[Maintenance]:
    """Return the runs that removed all data erased before them from the database files."""
    return Maintenance.objects.exclude(finished_at=None).filter(rewritten=True)


def erased_since_last_run() -> QuerySet[Erasure]:
    """Return the erasures whose data may still be readable in the database files.

    These are the erasures that were not logically complete when the last finished run began.
    """
    last = finished_runs().order_by("-started_at").first()
    erasures = Erasure.objects.of_people()
    if last is None:
        return erasures
    later = erasures.annotate(complete_at=Coalesce(F("files_deleted__at"), F("created_at")))
    since = Q(complete_at__gte=last.started_at) | Q(
        complete_at=None, day__gte=timezone.localdate(last.started_at)
    )
    return later.filter(since | Q(file_deletions__isnull=False)).distinct()


def logically_complete_at(erasure: Erasure) -> datetime | None:
    """Return when the erasure was logically complete, or None while files are pending.

    That is the time of the erasure, or of the deletion of its last stored file. After the clear
    facts were forgotten, only the day is known: then it is the end of that day.
    """
    if erasure.pending_files:
        return None
    deleted = getattr(erasure, "files_deleted", None)
    return deleted.at if deleted else erasure.created_at or _end_of(erasure.day)


def _end_of(day: date) -> datetime:
    return start_of_day(day + timedelta(days=1)) - timedelta(microseconds=1)


def forget_facts() -> int:
    """Clear the clear facts of records whose period is over; return the number of records.

    Exact time, counts and evidence of an act would match the kept values of its rows. Their hash
    stays in the chain. An erasure whose files are pending is skipped, and so are the last hours,
    by which the erasures of API clients are limited.
    """
    now = timezone.now()
    before = min(start_of_day(period_of(timezone.localdate(now))), now - timedelta(hours=2))
    due = Erasure.objects.filter(created_at__lt=before)
    due = due.exclude(pk__in=FileDeletion.objects.exclude(erasure=None).values("erasure"))
    forgotten = 0
    while keys := list(due.values_list("pk", flat=True)[:1000]):
        with transaction.atomic():
            FilesDeleted.objects.filter(erasure__in=keys).delete()
            rows = Erasure.objects.filter(pk__in=keys)
            forgotten += rows.update(created_at=None, salt="", counts={}, evidence=[])
    return forgotten


def delete_expired_rows() -> None:
    """Delete rows that were needed for a time only, for example the time of an API request."""
    for policy in registry:
        if policy.expires:
            name, kept = policy.expires
            old = {f"{name}__lt": timezone.now() - kept}
            policy.model._base_manager.filter(**old).delete()


def physically_complete_at(erasure: Erasure) -> datetime | None:
    """Return when the erasure was physically complete, or None if it is not.

    That is the earliest end of a run that began after the erasure was logically complete.
    """
    complete = logically_complete_at(erasure)
    if complete is None:
        return None
    run = finished_runs().filter(started_at__gte=complete).order_by("finished_at").first()
    return run.finished_at if run else None
