"""Find out whether this process can serve requests.

Anybody can request this, so each request costs one query, and the expensive checks are cached.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from threading import Lock, Thread

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from anonymization import redo, runs, triggers
from anonymization.checks import check_database
from anonymization.ledger import verification
from anonymization.ledger.recording import ErasureRefused
from anonymization.restoration import Standing, standing
from mluvii_gdpr.checks import check_storage, check_volumes
from mluvii_gdpr.models import EventsProcess

logger = logging.getLogger(__name__)

#: The number of seconds that a request waits for a check in another thread. A network share may
#: hang forever, and each probe would then occupy another thread.
PATIENCE = 2.0
#: The number of seconds for which a good or a bad result is cached.
GOOD_FOR, BAD_FOR = 30.0, 5.0
#: The id of the only state of the ledger that does not close the installation.
UNFINISHED = f"ledger.{Standing.UNFINISHED.value}"
_completing = Lock()


class Answer:
    """A cached result with its expiry on the monotonic clock.

    Only one thread at a time runs the check.
    """

    def __init__(self, find: Callable[[], list[str]], *, good_for: float = GOOD_FOR) -> None:
        self._find = find
        self._good_for = good_for
        self._lock = Lock()
        self._problems: list[str] = []
        self._until: float | None = None

    def problems(self, *, patience: float = -1) -> list[str]:
        """Return the cached problems, or run the check.

        Returns ``unanswered`` if another thread runs the check for longer than ``patience``
        seconds.
        """
        if not self._lock.acquire(timeout=patience):
            return ["unanswered"]
        try:
            if self._until is None or time.monotonic() >= self._until:
                self._until = None
                self._problems = self._find()
                self._until = time.monotonic() + (BAD_FOR if self._problems else self._good_for)
            return self._problems
        finally:
            self._lock.release()

    def forget(self) -> None:
        with self._lock:
            self._until = None


def problems() -> list[str]:
    """Return the ids of the problems. The database is queried now, the rest may be cached.

    Raises:
        Error: the database does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return answer.problems(patience=PATIENCE) + ledger_problems()


def lesser_problems() -> list[str]:
    """Return the ids of problems that do not keep this process from serving requests.

    These are almost full volumes, missing event streams, erasures that are being completed, and a
    ledger that was found invalid or not verified for days.

    Raises:
        Error: the database does not answer.
    """
    unfinished = [UNFINISHED] if UNFINISHED in _compared() else []
    return warnings.problems(patience=PATIENCE) + unfinished


def job_problems() -> list[str]:
    """Return the jobs of cron that failed or are overdue, for example ``runs.retention.overdue``.

    Raises:
        Error: the database does not answer.
    """
    return jobs.problems(patience=PATIENCE)


def ledger_problems() -> list[str]:
    """Return why the installation is closed: its database does not match the external copy.

    The list is empty if both are even, if no external copy is configured, or if only interrupted
    erasures are missing in the database: these are completed in the meantime.

    Raises:
        Error: the database does not answer.
    """
    return [problem for problem in _compared() if problem != UNFINISHED]


def guard_problems() -> list[str]:
    """Return ``triggers`` if the database of this process lacks a trigger, otherwise nothing.

    On SQLite a migration drops the triggers of a table, and only ``manage.py migrate`` creates them
    again. A process finds it out once, at its first request: then published texts could be changed
    and anonymized rows filled without a refusal.

    Raises:
        Error: the database does not answer.
    """
    return guards.problems() if connection.vendor == "sqlite" else []


def _find_missing_triggers() -> list[str]:
    missing = triggers.missing(connection)
    if missing:
        logger.error("%d triggers are missing or altered; run manage.py migrate", len(missing))
    return ["triggers"] if missing else []


def _compared() -> list[str]:
    return ledger.problems() if settings.ERASURE_LEDGER_DIR else []


def report_at_start() -> None:
    """Log if the database does not match the external copy of the ledger. Called once.

    Interrupted erasures are completed in the background.
    """
    try:
        for problem in ledger_problems():
            advice = Standing(problem.rpartition(".")[2]).advice
            logger.error(
                "%s: this installation is closed until that is mended. %s", problem, advice
            )
    except Error:
        logger.exception("the database does not answer")
    finally:
        connection.close()


def _find_problems() -> list[str]:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ["migrations"]
    asked = {"app_configs": None, "databases": ["default"]}
    return _ids([*check_database(**asked), *check_storage(**asked)])


def _find_lesser_problems() -> list[str]:
    events = EventsProcess.objects
    are_dead = events.silent().exists() or not events.alive().exists()
    return [
        *_ids(check_volumes(None, databases=["default"])),
        *(["events"] if are_dead else []),
        *(f"ledger.{warning}" for warning in verification.warnings()),
    ]


def _ids(messages: list[CheckMessage]) -> list[str]:
    return list(dict.fromkeys(str(message.id) for message in messages))


def _compare_ledger() -> list[str]:
    found = standing()
    if found is Standing.UNFINISHED:
        in_background(_complete_erasures)
    return [] if found is Standing.EVEN else [f"ledger.{found.value}"]


def _find_job_problems() -> list[str]:
    return [f"runs.{state.job.value}.{state.wrong}" for state in runs.states() if state.wrong]


def in_background(work: Callable[[], None]) -> None:
    """Start a thread, so that requests do not wait. It ends with the process."""
    Thread(target=work, daemon=True).start()


def _complete_erasures() -> None:
    """Complete interrupted erasures. After a failure, they are tried again a few seconds later."""
    if not _completing.acquire(blocking=False):
        return
    try:
        redo.carry_out()
        ledger.forget()
    except (ErasureRefused, Error):
        logger.exception("interrupted erasures were not completed")
    finally:
        _completing.release()
        connection.close()


answer = Answer(lambda: _find_problems())
warnings = Answer(lambda: _find_lesser_problems())
jobs = Answer(lambda: _find_job_problems())
ledger = Answer(lambda: _compare_ledger())
guards = Answer(lambda: _find_missing_triggers(), good_for=math.inf)
