"""Django's PostgreSQL backend with a circuit breaker around the pool.

While the database is away, each request would wait for the pool in a thread of the server, and soon no thread would be
left for ``/livez`` and static files. Here one request in each process waits, and the others fail immediately.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from mluvii_gdpr.logs import describe

logger = logging.getLogger(__name__)


class Breaker:
    """Whether connecting is worth a try.

    After a failure the next attempt is allowed after a pause, to one thread. A success allows all.
    """

    #: Seconds without an attempt. A database that is back is noticed so late, at most.
    PAUSE = 1.0

    def __init__(self) -> None:
        self._lock = Lock()
        #: Nobody but one tries before this time of the monotonic clock; None: everybody may.
        self._closed_until: float | None = None
        #: Since when all attempts fail.
        self._away_since: float | None = None

    @contextmanager
    def attempt(self, *, lasts: float) -> Iterator[None]:
        """Allow an attempt that takes so many seconds at most, and note how it ends.

        Raises:
            psycopg.OperationalError: another attempt failed just now, or is still going on.
        """
        self._claim(lasts)
        try:
            yield
        except psycopg.OperationalError as failure:
            self._note_failure(failure)
            raise
        except BaseException:
            self._closed_until = None
            raise
        self._note_success()

    def _note_failure(self, failure: psycopg.OperationalError) -> None:
        with self._lock:
            now = time.monotonic()
            self._closed_until = now + self.PAUSE
            if self._away_since is None:
                self._away_since = now
                logger.error("the database does not answer: %s", describe(failure))

    def _note_success(self) -> None:
        with self._lock:
            self._closed_until = None
            if self._away_since is not None:
                logger.warning(
                    "the database answers again, after %d seconds", time.monotonic() - self._away_since
                )
                self._away_since = None

    def _claim(self, lasts: float) -> None:
        with self._lock:
            if self._closed_until is None:
                return
            now = time.monotonic()
            if now < self._closed_until:
                raise psycopg.OperationalError("the database did not answer just now")
            self._closed_until = now + lasts


class Connection(psycopg.Connection[Any]):
    """A connection that is given up when the server does not answer in time.

    A host whose disk hangs still confirms each packet, so that the network reports nothing.
    """

    #: Seconds for a statement, 0: any; for the look at a connection before a request gets it.
    answer_within: float = 0
    CHECKED_WITHIN = 1.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or not self.answer_within:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_within)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # No answer came, so nothing may use the connection again.
                self.pgconn.finish()
            raise

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement; the pool looks at a connection by an empty one, whose answer comes at once."""
        if query != "" or not self.answer_within:
            return super().execute(query, *args, **options)
        usual, self.answer_within = self.answer_within, self.CHECKED_WITHIN
        try:
            return super().execute(query, *args, **options)
        finally:
            self.answer_within = usual


class DatabaseWrapper(base.DatabaseWrapper):
    #: One for all connections of the process to a database, as the pool is.
    _breakers: dict[str, Breaker] = {}

    def __init__(self, settings_dict: dict[str, Any], *args: Any, **options: Any) -> None:
        super().__init__(settings_dict, *args, **options)
        self.settings_dict["OPTIONS"]["pool"]["connection_class"] = Connection

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        Connection.answer_within = params.pop("answer_within", 0)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> psycopg.Connection:
        lasts = float(self.settings_dict["OPTIONS"]["pool"]["timeout"])
        with self._breakers.setdefault(self.alias, Breaker()).attempt(lasts=lasts):
            return super().get_new_connection(conn_params)
