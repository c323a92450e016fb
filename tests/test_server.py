"""gunicorn starts with our configuration, serves, and quotes nothing of a request that it can't read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the port of a running server and the file of what it says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = tmp_path / "said.txt"
    environment = {
        **os.environ,
        "PORT": str(port),
        "WEB_WORKERS": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "mluvii_gdpr.wsgi"]
    with (
        said.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as process,
    ):
        deadline = time.monotonic() + 60
        while ask(port, b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n") == b"" and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield port, said
        process.terminate()


def ask(port: int, request: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            return connection.recv(65536)
    except ConnectionError:
        return b""


def test_it_serves_and_its_log_quotes_no_request(server: tuple[int, Path]) -> None:
    port, said = server
    assert ask(port, b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.0 200")
    assert b" 400 " in ask(port, b"GET kanarline kanarline HTTP/1.1\r\n\r\n")
    assert b" 400 " in ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nkanarheader bad: x\r\n\r\n")
    odd = b"POST /livez?x=1 HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/plain; charset=zlib\r\n\r\n"
    assert b" 403 " in ask(port, odd), "no token, but no fault either"
    time.sleep(0.5)
    assert b"Invalid request" in said.read_bytes(), "the positive control"
    assert b"kanar" not in said.read_bytes()
    assert b"127.0.0.1" not in said.read_bytes()
