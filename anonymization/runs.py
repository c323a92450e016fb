"""Remember the last good run of each job that cron starts, so that a stopped one is noticed.

The commands call ``record``; retention also calls ``begin``, because a killed run leaves no summary.
``verify_ledger`` stores that of the ledger in ``LedgerState``. The home page, ``erasure_status`` and
``/readyz?verbose`` read ``states``. Each job has one row; nothing is counted.

**To add a job**, add it to ``models.Job`` and ``OVERDUE_AFTER``, and call ``record`` in its command.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.utils import timezone
from django.utils.functional import Promise

from anonymization.models import Job, LastRun, LedgerState

#: The time after which a job without a good run is overdue: its interval in docs/configuration.md,
#: and some time for the run itself.
OVERDUE_AFTER = {
    Job.RETENTION: timedelta(hours=26),
    Job.FILES: timedelta(hours=1),
    Job.LEDGER: timedelta(hours=26),
    Job.ANCHOR: timedelta(hours=26),
    Job.EVIDENCE: timedelta(hours=26),
    Job.MAINTENANCE: timedelta(days=8),
}


@dataclass(frozen=True)
class State:
    """The last good run of a job, and whether a later run failed or the next one is overdue."""

    job: Job
    good_at: datetime | None
    failed: bool
    overdue: bool
    #: When a run began that has not finished.
    unfinished_since: datetime | None = None

    @property
    def wrong(self) -> str:
        """Return ``failed`` or ``overdue``, or an empty string if the job is in order."""
        if self.failed:
            return "failed"
        return "overdue" if self.overdue else ""

    @property
    def label(self) -> str | Promise:
        return self.job.label


def begin(job: Job) -> datetime | None:
    """Store that a run begins; return when an earlier run began that has not finished."""
    earlier = unfinished_since(job)
    LastRun.objects.update_or_create(job=job, defaults={"began_at": timezone.now()})
    return earlier


def unfinished_since(job: Job) -> datetime | None:
    """Return when a run began that was killed, failed midway, or still runs."""
    return LastRun.objects.filter(job=job).values_list("began_at", flat=True).first()


def record(job: Job, *, good: bool = True) -> None:
    """Store the result of a run that has just ended."""
    now = timezone.now()
    result: dict[str, datetime | None] = (
        {"good_at": now, "failed_at": None, "began_at": None} if good else {"failed_at": now}
    )
    LastRun.objects.update_or_create(job=job, defaults=result)


def states() -> list[State]:
    """Return the state of each job, in two queries.

    A job that has never run is overdue when its time has passed since it was first expected.
    """
    rows = LastRun.objects.in_bulk(field_name="job")
    ledger = LedgerState.objects.first()
    if ledger and Job.LEDGER in rows:
        rows[Job.LEDGER].good_at = ledger.verified_at
        rows[Job.LEDGER].failed_at = ledger.failed_at
    return [_state_of(job, rows.get(job)) for job in OVERDUE_AFTER]


def _state_of(job: Job, row: LastRun | None) -> State:
    if row is None:
        return State(job, None, failed=False, overdue=True)
    known = row.good_at or row.expected_since
    overdue = known < timezone.now() - OVERDUE_AFTER[job]
    failed = row.failed_at is not None
    return State(job, row.good_at, failed, overdue, unfinished_since=row.began_at)


def expect_jobs(using: str = "default", **_kwargs: Any) -> None:
    """Add a row for each job without one, so that its first run is expected from now on.

    Called after each ``migrate``, also after one that removed the table.
    """
    if LastRun._meta.db_table not in connections[using].introspection.table_names():
        return
    LastRun.objects.bulk_create([LastRun(job=job) for job in OVERDUE_AFTER], ignore_conflicts=True)
