"""Run the product with gunicorn in a separate process, on the test's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from bench.postgres import with_database

ROOT = Path(__file__).resolve().parent.parent
#: The configuration of the event streams.
EVENTS = "gunicorn.events.py"
#: All tests come from one address.
UNLIMITED = {"ENTRIES_PER_MINUTE_PER_ADDRESS": "0", "ENTRIES_PER_MINUTE": "0"}


class Server(NamedTuple):
    port: int
    #: The file of its output.
    said: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(
    folder: Path, *, config: str = "gunicorn.conf.py", **environment: str
) -> Iterator[Server]:
    """Start gunicorn with one of the configurations on a free port, and stop it at the end."""
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        server = Server(free.getsockname()[1], folder / f"said-{free.getsockname()[1]}.txt")
        unused = str(other.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "--config", config]
    port = str(server.port)
    ports = (
        {"PORT": unused, "EVENTS_PORT": port}
        if config == EVENTS
        else {"PORT": port, "EVENTS_PORT": unused}
    )
    variables = os.environ | ports | {"WEB_WORKERS": "1"} | UNLIMITED | environment
    alive = b"/events/livez" if config == EVENTS else b"/livez"
    with (
        server.said.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=variables, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while (
                ask(server, b"GET %b HTTP/1.0\r\nHost: localhost\r\n\r\n" % alive) == b""
                and process.poll() is None
            ):
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield server
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            # a server that hangs at its end must not hang the tests; otherwise this does nothing
            process.kill()


def ask(server: Server, request: bytes) -> bytes:
    """Send bytes and return the first part of the answer, or nothing if there is none."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connected:
            connected.sendall(request)
            return connected.recv(65536)
    except (ConnectionError, TimeoutError):
        return b""


def on_this_database() -> dict[str, str]:
    """Return the environment of a server that uses the test's database and stored files."""
    name = str(connection.settings_dict["NAME"])
    url = (
        f"sqlite:///{name}"
        if connection.vendor == "sqlite"
        else with_database(os.environ["DATABASE_URL"], name)
    )
    return {"DATABASE_URL": url, "MEDIA_ROOT": str(settings.MEDIA_ROOT)}
