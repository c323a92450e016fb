"""Pass many values to a statement as one parameter.

A statement about a thousand rows is then as short, and compiled as fast, as a statement about one
row. The SQL that is built here contains names and types from the code only, never user input.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from typing import Any

from django.db import connection
from django.db.models.expressions import RawSQL


def in_keys(keys: Collection[Any], kind: str = "bigint") -> RawSQL:
    """Return the right side of an ``__in`` lookup; ``kind`` is bigint or uuid."""
    return in_parameter(keys_parameter(keys), kind)


def in_parameter(parameter: Any, kind: str = "bigint") -> RawSQL:
    """Return the right side of an ``__in`` lookup for a parameter.

    The parameter is a result of ``keys_parameter``, or a placeholder for which it is substituted
    later.
    """
    if connection.vendor != "postgresql":
        return RawSQL("SELECT value FROM json_each(%s)", (parameter,))
    if kind == "uuid":
        return RawSQL("SELECT unnest(%s::uuid[])", (parameter,))
    return RawSQL("SELECT unnest(%s::bigint[])", (parameter,))


def keys_parameter(keys: Collection[Any]) -> str:
    if connection.vendor == "postgresql":
        return "{" + ",".join(map(str, keys)) + "}"
    return json.dumps([*keys], default=_hex)


def as_rows(
    name: str, rows: Iterable[tuple[Any, ...]], *, columns: dict[str, str]
) -> tuple[str, str]:
    """Return SQL for a FROM clause and its one parameter: the rows, under the given name.

    ``columns`` maps the name of each column to its type on PostgreSQL. ``jsonb`` accepts any JSON
    value.
    """
    if connection.vendor == "postgresql":
        source, column = "jsonb_array_elements(%s::jsonb) AS row (value)", _column_on_postgresql
    else:
        source, column = "json_each(%s)", _column_on_sqlite
    selected = ", ".join(
        f"{column(number, kind)} AS {named}" for number, (named, kind) in enumerate(columns.items())
    )
    values = json.dumps([*rows], separators=(",", ":"), default=_hex)
    return f"(SELECT {selected} FROM {source}) AS {name}", values  # noqa: S608


def _column_on_postgresql(number: int, kind: str) -> str:
    return f"value -> {number}" if kind == "jsonb" else f"(value ->> {number})::{kind}"


def _column_on_sqlite(number: int, kind: str) -> str:
    return f"json_extract(value, '$[{number}]')"


def _hex(value: Any) -> str:
    """Return a UUID, which JSON cannot represent, as SQLite stores it and PostgreSQL reads it."""
    if not isinstance(value, uuid.UUID):
        raise TypeError(f"{type(value).__name__} goes into no parameter")
    return value.hex
