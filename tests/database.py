"""The whole live database as text, and as a digest of each row: for "nothing is left" and "nothing else changed"."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

Rows = dict[str, set[str]]


def dump() -> str:
    """Return every value of every row of every table, also of tables that no model declares."""
    return "\n".join(f"{table}: {row!r}" for table, rows in _rows().items() for row in rows)


def digest() -> Rows:
    """Return table → digests of its rows."""
    return {
        table: {hashlib.sha256(repr(row).encode()).hexdigest() for row in rows}
        for table, rows in _rows().items()
    }


def media() -> dict[str, str]:
    """Return stored name → digest of every stored file, but not of the one that marks the storage."""
    root = Path(settings.MEDIA_ROOT)
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    names = {str(path.relative_to(root)): path for path in files if not path.name.startswith("storage-")}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}


def media_contains(needle: bytes) -> bool:
    """Say whether a stored file's name or content holds the bytes."""
    root = Path(settings.MEDIA_ROOT)
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    return any(needle in path.read_bytes() or needle in str(path).encode() for path in files)


def _rows() -> dict[str, list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        tables = sorted(connection.introspection.table_names(cursor))
        result = {}
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            result[table] = cursor.fetchall()
        return result
