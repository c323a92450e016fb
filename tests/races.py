"""Real concurrency: threads with database connections of their own, let go at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(actors: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run the actors in parallel and return what each returned or raised, in their order."""
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
