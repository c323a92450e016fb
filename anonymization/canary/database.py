"""What a connection can see of the database, as bytes by place: rows, statistics, and SQLite's own files."""

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
#: A file is read in pieces that overlap by more than any canary is long in any spelling.
_PIECE, _OVERLAP = 64 * 1024 * 1024, 4096


def rows() -> Iterator[Piece]:
    """Yield the values of each column of each table, also of tables that no model declares."""
    for table in sorted(tables(connection)):
        # Within a transaction PostgreSQL hands over row by row; SQLite does anyway, and one would keep writers out.
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
        return bytes(value) + b" " + bytes(value).hex().encode()  # a digest is searched for in digits
    return b"" if value is None else str(value).encode(errors="surrogatepass")


def staff_sessions() -> Iterator[Piece]:
    """Yield what the logins of staff hold, decoded; the table itself is among the rows."""
    for session in Session.objects.iterator():
        yield "django_session", "session_data", repr(session.get_decoded()).encode()


def statistics() -> Iterator[Piece]:
    """Yield what PostgreSQL's planner remembers of columns: whole values, until an ANALYZE of rows that have others."""
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
    """Return the database's files; none of one in memory, and none within a transaction, which is not there yet."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return []
    return [Path(name + end) for end in ("", "-wal", "-journal") if Path(name + end).exists()]


def raw_bytes() -> Iterator[Piece]:
    """Yield the bytes of SQLite's files, once the write-ahead log is worked in and cut to nothing.

    Another process that reads or writes meanwhile keeps the log from being cut: what it holds is then found.
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
    """Yield a file in overlapping pieces; what is packed and longer than one is searched up to its end only."""
    tail = b""
    while piece := file.read(_PIECE):
        yield tail + piece
        tail = piece[-_OVERLAP:]
