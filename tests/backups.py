"""Back up and restore the test's database and stored files, on both databases.

This is the quick way, for tests of the steps after a restore. ``test_by_the_book`` runs the
documented commands.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from bench.postgres import with_database


class Backup:
    """The data at one moment. ``restore`` can be called any number of times."""

    def __init__(self, folder: Path) -> None:
        self._media = folder / "backup-media"
        self._sqlite = folder / "backup.sqlite3"
        self.name = str(connection.settings_dict["NAME"])
        if connection.vendor == "postgresql":
            self._copy(self.name, f"{self.name}_backup")
        else:
            connection.ensure_connection()
            with closing(sqlite3.connect(self._sqlite)) as copy:
                _raw().backup(copy)
        shutil.copytree(settings.MEDIA_ROOT, self._media)

    @property
    def url(self) -> str:
        """Return the URL of the copy of the database."""
        if connection.vendor == "postgresql":
            return with_database(os.environ["DATABASE_URL"], f"{self.name}_backup")
        return f"sqlite:///{self._sqlite}"

    def restore(self) -> None:
        if connection.vendor == "postgresql":
            self._copy(f"{self.name}_backup", self.name)
        else:
            with closing(sqlite3.connect(self._sqlite)) as copy:
                copy.backup(_raw())
        shutil.rmtree(settings.MEDIA_ROOT)
        shutil.copytree(self._media, settings.MEDIA_ROOT)

    def delete(self) -> None:
        if connection.vendor == "postgresql":
            self._execute("DROP DATABASE IF EXISTS {}", f"{self.name}_backup")

    def _copy(self, source: str, target: str) -> None:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", target)
        self._execute("CREATE DATABASE {} TEMPLATE {}", target, source)

    @staticmethod
    def _execute(statement: Any, *names: str) -> None:
        url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _raw() -> sqlite3.Connection:
    raw: sqlite3.Connection = connection.connection
    return raw


@contextmanager
def backup(folder: Path) -> Iterator[Backup]:
    """Make a backup now, and delete it at the end of the block."""
    made = Backup(folder)
    try:
        yield made
    finally:
        made.delete()
