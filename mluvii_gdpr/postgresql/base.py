"""Django's PostgreSQL backend with a circuit breaker around the connection pool.

While the database is unavailable, each request would wait for the pool in a thread of the server.
Soon no thread would be left for ``/livez`` and static files. With the breaker, one request in each
process waits, and the others fail immediately.
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
    """Decide whether an attempt to connect is allowed.

    After a failure, one thread may try again after a pause. A success allows all attempts.
    """

    #: The number of seconds without an attempt. It is also the maximum delay until a recovered
    #: database is noticed.
    PAUSE = 1.0

    def __init__(self) -> None:
        self._lock = Lock()
        #: Until this time of the monotonic clock, at most one thread tries. None: all threads may
        #: try.
        self._closed_until: float | None = None
        #: The time of the first failure since the last success.
        self._away_since: float | None = None

    @contextmanager
    def attempt(self, *, lasts: float) -> Iterator[None]:
        """Allow an attempt that lasts at most this number of seconds, and record its result.

        Raises:
            psycopg.OperationalError: another attempt has just failed or is still running.
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
                    "the database answers again, after %d seconds",
                    time.monotonic() - self._away_since,
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
    """A connection that is closed if the server does not answer in time.

    A host with a hanging disk still confirms each packet, so that the network reports no error.
    """

    #: The number of seconds for a statement; 0 means no limit. CHECKED_WITHIN is the limit for the
    #: check of a connection before a request uses it.
    answer_within: float = 0
    CHECKED_WITHIN = 1.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None or not self.answer_within:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_within)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # There was no answer, so the connection must not be used again.
                self.pgconn.finish()
            raise

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement, with a shorter limit for the pool's check of the connection.

        The check is an empty statement, whose answer arrives immediately.
        """
        if query != "" or not self.answer_within:
            return super().execute(query, *args, **options)
        usual, self.answer_within = self.answer_within, self.CHECKED_WITHIN
        try:
            return super().execute(query, *args, **options)
        finally:
            self.answer_within = usual


class DatabaseWrapper(base.DatabaseWrapper):
    #: Like the pool, a breaker is shared by all connections of the process to a database.
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
