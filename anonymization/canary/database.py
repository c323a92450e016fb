"""Read what a connection can see of the database: rows, statistics and SQLite's own files.

Everything is returned as bytes with the place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from django.contrib.sessions.models import Session
from django.core.files import File
from django.db import connection, transaction

from anonymization.checks import tables

#: (kind of place, place, bytes)
Piece = tuple[str, str, bytes]

_ROWS = 1000
#: A file is read in pieces. The overlap is longer than any canary in any spelling.
_PIECE, _OVERLAP = 64 * 1024 * 1024, 4096


def rows() -> Iterator[Piece]:
    """Yield the values of each column of each table, including tables without a model."""
    for table in sorted(tables(connection)):
        # PostgreSQL needs a transaction to return the rows one by one. SQLite does so anyway, and a
        # transaction would block writers.
        around: AbstractContextManager[Any] = nullcontext()
        if connection.vendor == "postgresql" and not connection.in_atomic_block:
            around = transaction.atomic()
        with around, connection.chunked_cursor() as cursor:
            name = ".".join(map(connection.ops.quote_name, table.split(".")))
            cursor.execute(f"SELECT * FROM {name}")  # noqa: S608  a table that the database itself named
            while batch := cursor.fetchmany(_ROWS):
                columns = [column[0] for column in cursor.description or ()]
                for column, values in zip(columns, zip(*batch, strict=True), strict=True):
                    yield "database", f"{table}.{column}", b"\n".join(map(_as_bytes, values))


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        # Hashes are searched for in hexadecimal digits.
        return bytes(value) + b" " + bytes(value).hex().encode()
    return b"" if value is None else str(value).encode(errors="surrogatepass")


def staff_sessions() -> Iterator[Piece]:
    """Yield the decoded login sessions of staff members.

    The encoded values are among the ``rows``.
    """
    for session in Session.objects.iterator():
        yield "django_session", "session_data", repr(session.get_decoded()).encode()


def statistics() -> Iterator[Piece]:
    """Yield the planner statistics of PostgreSQL.

    They contain whole values, until an ANALYZE finds rows with other values.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename || '.' || attname, concat_ws(' ', most_common_vals::text, histogram_bounds::text, "
            "most_common_elems::text) FROM pg_stats WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for column, values in cursor.fetchall():
            yield "pg_stats", column, values.encode()


def sqlite_files() -> list[Path]:
    """Return the files of the SQLite database.

    The list is empty for a database in memory, and inside a transaction, whose data is not in the
    files yet.
    """
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return []
    return [Path(name + end) for end in ("", "-wal", "-journal") if Path(name + end).exists()]


def raw_bytes() -> Iterator[Piece]:
    """Yield the bytes of SQLite's files after the write-ahead log was checkpointed and truncated.

    Another process that reads or writes at the same time prevents the truncation. The content of
    the log is then found.
    """
    if files := sqlite_files():
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in files:
        end = path.name.rpartition("-")[2] if path.name.endswith(("-wal", "-journal")) else "file"
        with path.open("rb") as file:
            for piece in read(file):
                yield "SQLite's bytes", end, piece


def read(file: IO[bytes] | File) -> Iterator[bytes]:
    """Yield a file in overlapping pieces.

    Packed data that is longer than one piece is searched up to the end of that piece only.
    """
    tail = b""
    while piece := file.read(_PIECE):
        yield tail + piece
        tail = piece[-_OVERLAP:]
