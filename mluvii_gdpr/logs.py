"""Log lines that can't carry what a visitor typed.

Django logs the path of a failed request, and an exception's text may quote a value (PostgreSQL's DETAIL prints
the keys of a row). Here the path becomes the route's pattern, and an exception is its type and its frames.
"""

import logging
import traceback
from types import TracebackType


class RouteInsteadOfPath(logging.Filter):
    """Replace the message of a record about a request by method, route pattern and status."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None and hasattr(request, "method"):
            match = getattr(request, "resolver_match", None)
            route = f"/{match.route}" if match else "(no route)"
            record.msg = "%s %s %s"
            record.args = (request.method, route, getattr(record, "status_code", ""))
        elif record.name.startswith("django.security"):
            record.msg, record.args = "request refused: %s", (record.name.rpartition(".")[2],)
        return True


class WithoutRequest(logging.Filter):
    """Cut what gunicorn quotes of a request that it could not read: its line, its headers, its address."""

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


class ImpersonalFormatter(logging.Formatter):
    """Format an exception as its type and frames, without its text."""

    def formatException(  # noqa: N802  the name is the standard library's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        kind, _, frames = ei
        lines = [f'  File "{f.filename}", line {f.lineno}, in {f.name}' for f in traceback.extract_tb(frames)]
        return "\n".join([*lines, kind.__qualname__ if kind else ""])
