"""Test pages, health and static files while the database is unavailable, and after it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from tests.factories import WebChatFactory
from tests.pages import close_files
from tests.proxy import Proxy
from tests.server import Server, ask, served

CLOSED = "The chat is temporarily unavailable"


def get(server: Server, path: str) -> bytes:
    """Return the answer, or nothing after ten seconds. It took 16 to 18 when all threads waited."""
    return ask(server, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outage", [Proxy.down, Proxy.fall_silent], ids=["shut down", "silent"])
def test_an_outage_keeps_no_thread_and_ends_by_itself(
    outage: Callable[[Proxy], None], tmp_path: Path
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is no server")
    page = f"/w/{WebChatFactory().public_id}/"
    with (
        Proxy() as proxy,
        served(tmp_path, DATABASE_URL=proxy.url, MEDIA_ROOT=str(settings.MEDIA_ROOT)) as server,
        ThreadPoolExecutor(16) as visitors,
    ):
        assert get(server, page).startswith(b"HTTP/1.0 200")
        outage(proxy)
        pages = [visitors.submit(get, server, page) for _ in range(64)]
        while not all(answer.done() for answer in pages):
            assert get(server, "/livez").startswith(b"HTTP/1.0 200")
            assert get(server, "/static/visitor/visitor.css").startswith(b"HTTP/1.0 200")
        assert {answer.result()[:12] for answer in pages} == {b"HTTP/1.0 503"}
        assert get(server, "/readyz").startswith(b"HTTP/1.0 503")
        proxy.up()
        deadline = time.monotonic() + 30
        while not get(server, page).startswith(b"HTTP/1.0 200"):
            assert time.monotonic() < deadline
    lines = server.said.read_text().splitlines()
    assert all(
        re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ [a-z_.]+ ", line)
        for line in lines
    )
    said = [line.split(" ", 2)[2] for line in lines]
    assert [line for line in said if "the database does not answer: PoolTimeout" in line]
    assert [line for line in said if "the database answers again, after" in line]
    # Hundreds of requests were answered. Each kind of line is written only once.
    assert len(said) < 12, said


@pytest.fixture(params=[OperationalError, InterfaceError])
def away(request: Any, db: None) -> Callable[[], Any]:
    """Return a function that makes the database unavailable within a block."""
    return lambda: patch.object(connection, "cursor", side_effect=request.param("kanarloge"))


def test_visitors_are_told(away: Callable[[], Any], client: Client) -> None:
    webchat = WebChatFactory()
    for path in (f"/w/{webchat.public_id}/", f"/r/{'0' * 64}/", f"/c/{'0' * 64}/"):
        with away():
            page = client.get(path)
        assert (page.status_code, CLOSED in page.content.decode()) == (503, True)
        assert not page.cookies


@pytest.mark.parametrize("path", ["/", "/sessions/", "/accounts/password/change/"])
def test_staff_are_told(away: Callable[[], Any], log_in: Any, path: str) -> None:
    """This includes pages that read the login before the view."""
    staff = log_in("support")
    staff.raise_request_exception = False
    with away():
        page = staff.get(path)
    assert (page.status_code, "The database is not responding." in page.content.decode()) == (
        503,
        True,
    )
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/api/v1/Sessions"), ("post", "/login/connect/token")]
)
def test_programs_are_told(away: Callable[[], Any], client: Client, method: str, path: str) -> None:
    credentials = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}
    with away():
        answer = getattr(client, method)(path, credentials, headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()) == (503, {"detail": "The database does not answer."})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/static/visitor/visitor.css"])
def test_health_needs_no_log_in(away: Callable[[], Any], log_in: Any, path: str) -> None:
    """A browser with a login cookie is answered without the database too."""
    staff = log_in("support")
    with away():
        response = staff.get(path)
    close_files(response)
    assert response.status_code == (503 if path == "/readyz" else 200)
    assert path != "/readyz" or response.json()["problems"] == ["database"]


def test_another_failure_is_500(db: None, client: Client) -> None:
    webchat = WebChatFactory()
    client.raise_request_exception = False
    with patch.object(connection, "cursor", side_effect=ValueError):
        assert client.get(f"/w/{webchat.public_id}/").status_code == 500
