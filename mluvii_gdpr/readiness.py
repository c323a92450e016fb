"""Whether this process can serve: asked by anybody, so one query each time and the dear part seldom."""

from __future__ import annotations

import time
from threading import Lock

from django.core.checks import CheckMessage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from anonymization.checks import check_database

#: For how many seconds an answer about migrations and guards holds: a good one, a bad one.
GOOD_FOR, BAD_FOR = 30.0, 5.0


class Answer:
    """What was found, and until when it holds on the monotonic clock; one thread at a time finds out."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._problems: list[str] = []
        self._until: float | None = None

    def problems(self) -> list[str]:
        with self._lock:
            if self._until is None or time.monotonic() >= self._until:
                self._until = None
                self._problems = _find_problems()
                self._until = time.monotonic() + (BAD_FOR if self._problems else GOOD_FOR)
            return self._problems

    def forget(self) -> None:
        with self._lock:
            self._until = None


answer = Answer()


def problems() -> list[str]:
    """Return the ids of what is wrong: the database is asked now, migrations and guards were lately.

    Raises:
        DatabaseError: the database does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return answer.problems()


def _find_problems() -> list[str]:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return ["migrations"]
    messages: list[CheckMessage] = check_database(None, databases=["default"])
    return [str(message.id) for message in messages]
