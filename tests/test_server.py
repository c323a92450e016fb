"""Test that gunicorn serves with our configuration and quotes no part of a bad request."""

from __future__ import annotations

import time
from pathlib import Path

from tests.server import ask, served


def test_it_serves_and_its_log_quotes_no_request(tmp_path: Path) -> None:
    with served(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/x.sqlite3") as server:
        assert ask(server, b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n").startswith(
            b"HTTP/1.0 200"
        )
        assert b" 400 " in ask(server, b"GET kanarline kanarline HTTP/1.1\r\n\r\n")
        assert b" 400 " in ask(
            server, b"GET / HTTP/1.1\r\nHost: localhost\r\nkanarheader bad: x\r\n\r\n"
        )
        odd = b"POST /livez?x=1 HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/plain; charset=zlib\r\n\r\n"
        assert b" 403 " in ask(server, odd), "no token, but no fault either"
        time.sleep(0.5)
        said = server.said.read_bytes()
        assert b"Invalid request" in said, "the positive control"
        assert b"kanar" not in said
        assert b"127.0.0.1" not in said
