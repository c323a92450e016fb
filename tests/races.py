"""Run threads with separate database connections that start at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, connections

T = TypeVar("T")


def wait_until_blocked_by_me(answer: Future[Any]) -> bool:
    """Return True as soon as another connection waits for a lock of this transaction.

    Return False if the other connection finishes without waiting. PostgreSQL only.
    """
    deadline = time.monotonic() + 30
    while not answer.done():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks "
                "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
            )
            if cursor.fetchone()[0]:
                return True
        assert time.monotonic() < deadline
    return False


def at_once(actors: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run the actors in parallel. Return their results or exceptions in the order of the actors."""
    start = threading.Barrier(len(actors))

    def run(actor: Callable[[], T]) -> T | Exception:
        start.wait(timeout=30)
        try:
            return actor()
        except Exception as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(actors)) as pool:
        return list(pool.map(run, actors))
