"""Test that log lines help a system administrator and contain no text of an exception."""

from __future__ import annotations

import errno
import io
import logging
from collections.abc import Callable, Iterator
from runpy import run_path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection, transaction
from django.test import Client

from anonymization.storage import StorageUnavailable
from mluvii_gdpr import logs
from mluvii_gdpr.logs import (
    FORMAT,
    FewOfAnOutage,
    ImpersonalFormatter,
    RouteInsteadOfPath,
    describe,
)
from tests.factories import SessionFactory

CANARY = "kanarlog"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def said(clock: list[float]) -> Iterator[Callable[[], list[str]]]:
    """Return a function that returns the new lines of a logger with our filter and formatter."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(ImpersonalFormatter("%(levelname)s %(message)s"))
    handler.addFilter(FewOfAnOutage())
    logger.addHandler(handler)

    def read() -> list[str]:
        lines = output.getvalue().splitlines()
        output.seek(0)
        output.truncate()
        return lines

    yield read
    logger.removeHandler(handler)


logger = logging.getLogger("tests.logs")
logger.propagate = False


def fail_with(failure: BaseException, cause: BaseException | None = None, **extra: Any) -> None:
    try:
        raise failure from cause
    except BaseException:
        logger.exception("it failed", **extra)


def unreachable() -> tuple[OperationalError, psycopg.OperationalError]:
    return OperationalError(CANARY), psycopg.OperationalError(CANARY)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_failing_storage_is_said_with_errno_and_stored_path(
    said: Callable[[], list[str]], number: int, settings: Any
) -> None:
    path = settings.MEDIA_ROOT / "attachments" / "ab" / "12"
    fail_with(OSError(number, CANARY, str(path)))
    *frames, last = said()
    assert last == f"{type(OSError(number, '')).__name__} [{errno.errorcode[number]}, {path}]"
    assert "fail_with" in frames[-1]


@pytest.mark.parametrize("path", [f"/tmp/{CANARY}", f"{CANARY}.txt", b"/tmp/x", 7])  # noqa: S108
def test_another_path_is_not_said(path: Any) -> None:
    assert describe(OSError(errno.EACCES, CANARY, path)) == "PermissionError [EACCES]"


def test_a_line_break_in_a_path_makes_no_line(settings: Any) -> None:
    assert describe(OSError(errno.EIO, "", f"{settings.MEDIA_ROOT}/a\nb")) == "OSError [EIO]"


def test_causes_are_said(settings: Any) -> None:
    failure = StorageUnavailable()
    failure.__cause__ = OSError(errno.ENOSPC, CANARY)
    assert describe(failure) == "StorageUnavailable from OSError [ENOSPC]"
    failure.__cause__ = failure
    assert describe(failure).count("StorageUnavailable") == 5, "a ring ends"


@pytest.mark.django_db
def test_a_refused_statement_is_said_with_its_sqlstate(said: Callable[[], list[str]]) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no SQLSTATE")
    session = SessionFactory(name=CANARY)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO sessions_app_session SELECT * FROM sessions_app_session WHERE id = %s",
                [session.pk],
            )
    except Exception:
        logger.exception("it failed")
    lines = said()
    assert lines[-1] == "IntegrityError from UniqueViolation [SQLSTATE 23505]"
    assert CANARY not in "".join(lines)


def test_an_exception_among_the_arguments_is_not_quoted(said: Callable[[], list[str]]) -> None:
    logger.warning("%s failed: %s", "it", OSError(errno.EIO, CANARY))
    assert said() == ["WARNING it failed: OSError [EIO]"]


def test_an_outage_is_a_line_a_minute(said: Callable[[], list[str]], clock: list[float]) -> None:
    for _second in range(60):
        fail_with(*unreachable())
        clock[0] += 1
    line = "ERROR it failed: OperationalError from OperationalError"
    assert said() == [line]
    fail_with(*unreachable())
    assert said() == [f"{line} (and 59 more since the last line)"]


def test_answers_503_are_a_line_a_minute_whatever_the_route(
    said: Callable[[], list[str]], clock: list[float]
) -> None:
    for route in ("/w/", "/r/", "/sessions/"):
        logger.error("GET %s 503", route, extra={"status_code": 503})
    logger.error("GET /r/ 500", extra={"status_code": 500})
    assert said() == ["ERROR GET /w/ 503", "ERROR GET /r/ 500"]


@pytest.mark.parametrize(
    "failure",
    [
        psycopg.errors.DeadlockDetected(CANARY),
        psycopg.errors.UniqueViolation(CANARY),
        psycopg.errors.DiskFull(CANARY),
        OSError(errno.ENOSPC, CANARY),
        ValueError(CANARY),
    ],
)
def test_another_failure_is_said_each_time_with_its_frames(
    said: Callable[[], list[str]], failure: Exception
) -> None:
    for _again in range(3):
        fail_with(failure.with_traceback(None))
    lines = said()
    assert len([line for line in lines if line.startswith(type(failure).__name__)]) == 3
    assert len([line for line in lines if "fail_with" in line]) == 3
    assert CANARY not in "".join(lines)


@pytest.mark.parametrize("configuration", ["settings", "gunicorn.conf.py", "gunicorn.events.py"])
def test_all_processes_write_one_form_with_the_offset(configuration: str, monkeypatch: Any) -> None:
    for name in ("WEB_THREADS", "DATABASE_POOL", "DATABASE_TIMEOUT", "DATABASE_ANSWER_WITHIN"):
        monkeypatch.setenv(name, "1")
    if configuration == "settings":
        formatters = django_settings.LOGGING["formatters"]
    else:
        formatters = run_path(str(django_settings.BASE_DIR / configuration))["logconfig_dict"][
            "formatters"
        ]
    form = formatters["impersonal"]
    assert form == {"()": "mluvii_gdpr.logs.ImpersonalFormatter", "format": logs.FORMAT}
    line = ImpersonalFormatter(form["format"]).format(
        logging.makeLogRecord({"created": 0, "name": "a", "msg": "b"})
    )
    assert line == "1970-01-01T00:00:00.000+00:00 Level None a b"


@pytest.mark.any_database
def test_a_foreign_host_is_one_line_without_frames(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(ImpersonalFormatter(FORMAT.removeprefix("%(asctime)s ")))
    handler.addFilter(RouteInsteadOfPath())
    security = logging.getLogger("django.security")
    security.addHandler(handler)
    try:
        assert Client(headers={"Host": f"{CANARY}.example"}).get(f"/w/{CANARY}/").status_code == 400
    finally:
        security.removeHandler(handler)
    assert output.getvalue() == "ERROR django.security.DisallowedHost GET (no route) 400\n"
