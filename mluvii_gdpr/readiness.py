"""Whether this process can serve: asked by anybody, so one query each time and the dear part seldom."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

from django.conf import settings
from django.core.checks import CheckMessage
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from anonymization.checks import check_database
from anonymization.restoration import Standing, standing
from mluvii_gdpr.checks import check_storage, check_volumes
from mluvii_gdpr.models import EventsProcess

logger = logging.getLogger(__name__)

#: For how many seconds a request waits for another one that finds out. A network share that hangs, hangs for ever, and
#: each probe would take one more thread.
PATIENCE = 2.0
#: For how many seconds an answer about migrations and guards holds: a good one, a bad one.
GOOD_FOR, BAD_FOR = 30.0, 5.0


class Answer:
    """What was found, and until when it holds on the monotonic clock; one thread at a time finds out."""

    def __init__(self, find: Callable[[], list[str]]) -> None:
        self._find = find
        self._lock = Lock()
        self._problems: list[str] = []
        self._until: float | None = None

    def problems(self, *, patience: float = -1) -> list[str]:
        """Return what was found lately or is found now; ``unanswered`` if another thread finds out for too long."""
        if not self._lock.acquire(timeout=patience):
            return ["unanswered"]
        try:
            if self._until is None or time.monotonic() >= self._until:
                self._until = None
                self._problems = self._find()
                self._until = time.monotonic() + (BAD_FOR if self._problems else GOOD_FOR)
            return self._problems
        finally:
            self._lock.release()

    def forget(self) -> None:
        with self._lock:
            self._until = None


def problems() -> list[str]:
    """Return the ids of what is wrong: the database is asked now, the rest was lately.

    Raises:
        Error: the database does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return answer.problems(patience=PATIENCE) + ledger_problems()


def lesser_problems() -> list[str]:
    """Return the ids of what does not keep this process from serving: a volume that fills up, dead event streams.

    Raises:
        Error: the database does not answer.
    """
    return warnings.problems(patience=PATIENCE)


def ledger_problems() -> list[str]:
    """Return how the database stands to the outside copy of the ledger; nothing when they are even, or none is kept.

    Raises:
        Error: the database does not answer.
    """
    return ledger.problems() if settings.ERASURE_LEDGER_DIR else []


def report_at_start() -> None:
    """Say in the log when the database is not the one that the outside copy of the ledger knows; called once."""
    try:
        for problem in ledger_problems():
            advice = Standing(problem.rpartition(".")[2]).advice
            logger.error("%s: this installation is closed until that is mended. %s", problem, advice)
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
    return _ids(check_volumes(None, databases=["default"])) + (["events"] if are_dead else [])


def _ids(messages: list[CheckMessage]) -> list[str]:
    return list(dict.fromkeys(str(message.id) for message in messages))


def _compare_ledger() -> list[str]:
    found = standing()
    return [] if found is Standing.EVEN else [f"ledger.{found.value}"]


answer = Answer(lambda: _find_problems())
warnings = Answer(lambda: _find_lesser_problems())
ledger = Answer(lambda: _compare_ledger())
