"""Keep visitors' input out of the log.

Django logs the path of a failed request, and the text of an exception may contain a value
(PostgreSQL's DETAIL has the keys of a row). Here the path is replaced by the pattern of the route.
An exception is logged as its type, its frames, and facts that identify nobody: errno, SQLSTATE, and
the path of a stored file, whose name is random.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import time
import traceback
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

#: The format of each line, in all processes.
FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class RouteInsteadOfPath(logging.Filter):
    """Replace the message of a record about a request by method, route pattern and status."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None and hasattr(request, "method"):
            match = getattr(request, "resolver_match", None)
            route = f"/{match.route}" if match else "(no route)"
            record.msg = "%s %s %s"
            record.args = (request.method, route, getattr(record, "status_code", ""))
            if record.name.startswith("django.security"):
                # Anybody can send a foreign Host header, thousands of times; where it was noticed is of no use.
                record.exc_info = record.exc_text = None
        elif record.name.startswith("django.security"):
            record.msg, record.args = "request refused: %s", (record.name.rpartition(".")[2],)
        return True


class WithoutRequest(logging.Filter):
    """Remove the parts of a request that gunicorn could not read: its line, headers and address."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        starts = (
            "Invalid request",
            "Error handling request",
            "Error handling connection",
            "Error processing",
        )
        for start in starts:
            if text.startswith(start):
                record.msg, record.args = start, ()
        return True


class FewOfAnOutage(logging.Filter):
    """Log one line per minute of each kind that a database outage repeats, with their number.

    These lines are failures to reach PostgreSQL, and responses with status 503. The breaker in
    ``mluvii_gdpr/postgresql`` logs when an outage begins and ends.
    """

    EVERY = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        #: By kind: the time of the last logged line, and the number of lines left out since then.
        self._lines: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        if failure is not None and is_outage(failure):
            # The position of the statement in the code does not help here.
            record.msg, record.args = f"{record.getMessage()}: {describe(failure)}", ()
            record.exc_info = record.exc_text = None
            return self._is_due(record, kind=str(record.msg))
        if getattr(record, "status_code", None) == 503:
            return self._is_due(record, kind="503")
        return True

    def _is_due(self, record: logging.LogRecord, *, kind: str) -> bool:
        with self._lock:
            last, left_out = self._lines.get((record.name, kind), (-self.EVERY, 0))
            if time.monotonic() - last < self.EVERY:
                self._lines[record.name, kind] = (last, left_out + 1)
                return False
            self._lines[record.name, kind] = (time.monotonic(), 0)
        if left_out:
            record.msg, record.args = (
                f"{record.getMessage()} (and {left_out} more since the last line)",
                (),
            )
        return True


class ImpersonalFormatter(logging.Formatter):
    """Format an exception without its text, and the time in UTC.

    Only the frames and facts that identify nobody are logged.
    """

    def format(self, record: logging.LogRecord) -> str:
        record = copy(record)
        # Another formatter may have stored the text of the exception here.
        record.exc_text = None
        if isinstance(record.args, tuple):
            args = record.args
            record.args = tuple(
                describe(arg) if isinstance(arg, BaseException) else arg for arg in args
            )
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        # Use UTC in all processes: Django sets the time zone of its processes, but gunicorn's own
        # process has that of the machine.
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def formatException(  # noqa: N802  The standard library defines the name.
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        _, failure, frames = ei
        lines = [
            f'  File "{f.filename}", line {f.lineno}, in {f.name}'
            for f in traceback.extract_tb(frames)
        ]
        return "\n".join([*lines, describe(failure) if failure else ""])


def describe(failure: BaseException) -> str:
    """Return the types of an exception and its causes, with impersonal facts.

    These are errno, SQLSTATE and the path of a stored file.
    """
    return " from ".join(_describe_one(one) for one in chain_of(failure))


def chain_of(failure: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, at most five, in the order of the traceback."""
    for _number in range(5):
        if failure is None:
            return
        yield failure
        failure = failure.__cause__ or (
            None if failure.__suppress_context__ else failure.__context__
        )


def _describe_one(failure: BaseException) -> str:
    facts = []
    if isinstance(failure, OSError) and failure.errno:
        facts.append(errno.errorcode.get(failure.errno, f"errno {failure.errno}"))
        facts += filter(None, [_stored_path(failure.filename)])
    sqlstate = getattr(failure, "sqlstate", None)
    if isinstance(sqlstate, str) and re.fullmatch(r"[0-9A-Z]{5}", sqlstate):
        facts.append(f"SQLSTATE {sqlstate}")
    return type(failure).__qualname__ + (f" [{', '.join(facts)}]" if facts else "")


def _stored_path(path: Any) -> str:
    """Return a path in one of our own folders, in which names are random.

    Other paths may contain a visitor's input, and an empty text is returned.
    """
    from django.conf import settings

    if not settings.configured or not isinstance(path, str | os.PathLike):
        return ""
    folders = [settings.MEDIA_ROOT, settings.ERASURE_LEDGER_DIR]
    ours = any(Path(path).is_relative_to(folder) for folder in folders if folder)
    return str(path) if ours and str(path).isprintable() else ""


def is_outage(failure: BaseException) -> bool:
    """Return whether PostgreSQL was not reachable, or refused or closed the connection."""
    for one in chain_of(failure):
        if type(one).__module__.partition(".")[0] in {"psycopg", "psycopg_pool"}:
            sqlstate = getattr(one, "sqlstate", None)
            kinds = {"OperationalError", "InterfaceError"} & {
                base.__name__ for base in type(one).__mro__
            }
            return bool(kinds) and (sqlstate is None or sqlstate.startswith(("08", "57P")))
    return False
