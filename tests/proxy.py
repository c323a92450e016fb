"""Run a proxy of PostgreSQL that can be cut off, or stop answering like a host whose disk hangs."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from threading import Event, Thread
from typing import Self
from urllib.parse import quote

from django.db import connection
from psycopg.conninfo import conninfo_to_dict


class Proxy:
    """Forwards connections to the test's PostgreSQL while it is up."""

    def __init__(self) -> None:
        self._upstream = conninfo_to_dict(
            os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
        )
        self._flows = Event()
        self._open: list[socket.socket] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.down()

    @property
    def url(self) -> str:
        user, password = (
            quote(str(self._upstream.get(name) or "")) for name in ("user", "password")
        )
        return f"postgres://{user}:{password}@127.0.0.1:{self._port}/{connection.settings_dict['NAME']}"

    def up(self) -> None:
        self._flows.set()
        if not self._open or self._open[0].fileno() == -1:
            listening = socket.create_server(("127.0.0.1", self._port))
            self._open = [listening]
            Thread(target=self._accept, args=[listening], daemon=True).start()

    def fall_silent(self) -> None:
        """Accept connections and forward nothing."""
        self._flows.clear()

    def down(self) -> None:
        """Close all connections and refuse new ones."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._flows.set()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _address = listening.accept()
                server = self._connect()
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = (
            str(self._upstream.get("host") or "127.0.0.1"),
            self._upstream.get("port") or 5432,
        )
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
