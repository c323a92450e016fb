"""Read the whole live database, as text and as a digest of each row.

Tests use it to assert that nothing is left of a person, and that nothing else changed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from anonymization import runs, triggers
from sessions_app.roles import create_roles

Rows = dict[str, set[str]]
#: Tables that only migrations fill.
_KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission"}


def dump() -> str:
    """Return every value of every table, including tables that no model declares."""
    return "\n".join(f"{table}: {row!r}" for table, rows in _rows().items() for row in rows)


def digest() -> Rows:
    """Return table → digests of its rows, without the counters of limits, which count refusals too."""
    return {
        table: {hashlib.sha256(repr(row).encode()).hexdigest() for row in rows}
        for table, rows in _rows().items()
        if table != "sessions_app_limitcounter"
    }


def media() -> dict[str, str]:
    """Return stored name → digest of every stored file, except the file that marks the storage."""
    root = Path(settings.MEDIA_ROOT)
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    names = {
        str(path.relative_to(root)): path for path in files if not path.name.startswith("storage-")
    }
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}


def media_contains(needle: bytes) -> bool:
    """Return whether the name or the content of a stored file contains the bytes."""
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


@transaction.atomic
def flush() -> None:
    """Empty the database in one transaction, without the triggers of append-only tables."""
    triggers.drop(connection)
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor)) - _KEPT_TABLES
        names = {f"'{table}'": connection.ops.quote_name(table) for table in sorted(tables)}
        parts = (
            f"SELECT {text} WHERE EXISTS (SELECT 1 FROM {name})" for text, name in names.items()
        )
        cursor.execute(" UNION ALL ".join(parts))
        filled = [names[f"'{table}'"] for (table,) in cursor.fetchall()]
        if connection.vendor == "postgresql" and filled:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
        elif connection.vendor == "sqlite":
            for name in filled:
                cursor.execute(f"DELETE FROM {name}")
        for statement in _triggers():
            cursor.execute(statement)
    create_roles(apps)
    runs.expect_jobs()


@cache
def _triggers() -> list[str]:
    """Return the statements that create the triggers.

    The result is cached, because finding them takes longer than the rest of ``flush``.
    """
    return triggers.statements(connection)
