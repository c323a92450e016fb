"""Search the live database for anything that links the anonymized rows of one act to each other.

The rows of each act must have the same kept values, so that only a link can distinguish the acts.
All columns are read by introspection, including PostgreSQL's system columns. So are the rows of
other tables that name a row.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from anonymization.ledger.chain import subject_of
from anonymization.ledger.recording import note_digest

#: An id that no other number in the database can be by chance.
TEN_DIGITS = re.compile(r"(?<!\d)\d{10}(?!\d)")
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
#: SQLite has no system columns, and its rowid is the key.
_SYSTEM = ["xmin", "xmax", "cmin", "cmax", "ctid"]


class Row(NamedTuple):
    """An anonymized row; all ids have ten digits."""

    table: str
    pk: int


#: Each row → the number of its act.
Acts = Mapping[Row, int]
#: Name of a column → value → the rows that have it. The column is one of the row, or of a row that
#: names the row.
Traits = dict[str, dict[Any, set[Row]]]


def links(acts: Acts) -> set[str]:
    """Return the columns, pairs of columns, orders and hashes that distinguish an act's rows."""
    tables = dict(_tables())
    traits = _traits(acts, tables)
    return {
        *_equal_values(acts, traits),
        *_equal_pairs(acts, traits),
        *_neighbors(acts, traits),
        *_parallel_orders(acts, traits),
        *_hashes(acts, traits, tables),
    }


def _tables() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each table with its rows. The external copy of the ledger is a table of lines."""
    system = _SYSTEM if connection.vendor == "postgresql" else []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            described = connection.introspection.get_table_description(cursor, table)
            names = [column.name for column in described]
            columns = ", ".join(
                [f'"{name}"' for name in names] + [f"{name}::text" for name in system]
            )
            cursor.execute(f'SELECT {columns} FROM "{table}"')
            yield table, [dict(zip(names + system, row, strict=True)) for row in cursor.fetchall()]
    folder = Path(settings.ERASURE_LEDGER_DIR) if settings.ERASURE_LEDGER_DIR else None
    for file in folder.glob("*.jsonl") if folder else ():
        yield file.name, [{"line": line} for line in file.read_text().splitlines()]


def _traits(acts: Acts, tables: Mapping[str, list[dict[str, Any]]]) -> Traits:
    traits: Traits = defaultdict(lambda: defaultdict(set))
    by_pk = {row.pk: row for row in acts}
    for table, rows in tables.items():
        for values in rows:
            own = by_pk.get(values.get("id") or 0)
            named = {own} if own and own.table == table else _named(values, by_pk)
            for column, value in values.items():
                for row in named:
                    traits[f"{table}.{column}"][_comparable(column, value)].add(row)
    return traits


def _named(values: Mapping[str, Any], by_pk: Mapping[int, Row]) -> set[Row]:
    """Return the anonymized rows whose ids a row of another table has in any of its columns."""
    found = {int(text) for value in values.values() for text in TEN_DIGITS.findall(str(value))}
    return {by_pk[pk] for pk in found & by_pk.keys()}


def _comparable(column: str, value: Any) -> Any:
    if column == "ctid":
        return tuple(int(part) for part in value.strip("()").split(","))
    return value if isinstance(value, int | tuple) else str(value)


def _is_link(acts: Acts, rows: Iterable[Row]) -> bool:
    """Return whether all rows with a common value are of the same act."""
    rows = list(rows)
    return len(rows) > 1 and len({acts[row] for row in rows}) == 1


def _equal_values(acts: Acts, traits: Traits) -> Iterator[str]:
    for column, by_value in traits.items():
        if any(_is_link(acts, rows) for rows in by_value.values()):
            yield column
    for column, shared in _across_tables(traits).items():
        if any(_is_link(acts, rows) for rows in shared.values()):
            yield column


def _across_tables(traits: Traits) -> Traits:
    """Return the columns with the same name in several tables, for example the mark.

    Places and ids of different tables are not comparable.
    """
    merged: Traits = defaultdict(lambda: defaultdict(set))
    for column, by_value in traits.items():
        name = column.rpartition(".")[2]
        for value, rows in by_value.items() if name not in {"ctid", "id"} else ():
            merged[f"*.{name}"][value] |= rows
    return merged


def _equal_pairs(acts: Acts, traits: Traits) -> Iterator[str]:
    """Yield pairs of columns that are a link together, although neither is one alone."""
    alone = set(_equal_values(acts, traits))
    # A column that is unique, or that is the same in all rows, adds nothing to another.
    useful = {
        column: {row: value for value, rows in by_value.items() for row in rows}
        for column, by_value in traits.items()
        if column not in alone
        and len(by_value) > 1
        and any(len(rows) > 1 for rows in by_value.values())
    }
    for one, other in combinations(useful, 2):
        groups = defaultdict(list)
        for row in useful[one].keys() & useful[other].keys():
            groups[useful[one][row], useful[other][row]].append(row)
        if any(_is_link(acts, rows) for rows in groups.values()):
            yield f"{one} with {other}"


def _orders(traits: Traits) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows in the order of each column whose values are all different."""
    for column, by_value in traits.items():
        if all(len(rows) == 1 for rows in by_value.values()) and len(by_value) > 1:
            ordered = sorted(by_value, key=lambda value: (isinstance(value, str), value))
            yield column, [next(iter(by_value[value])) for value in ordered]


def _neighbors(acts: Acts, traits: Traits) -> Iterator[str]:
    """Yield the orders in which rows of one act are adjacent far more often than by chance."""
    for column, rows in _orders(traits):
        together = sum(acts[one] == acts[other] for one, other in pairwise(rows))
        if together > len(rows) / 8:
            yield f"order of {column}"


def _parallel_orders(acts: Acts, traits: Traits) -> Iterator[str]:
    """Yield pairs of orders, from two tables, in which the acts have the same sequence."""
    ranks = {}
    for column, rows in _orders(traits):
        for end, ordered in (("first", rows), ("last", rows[::-1])):
            first_of: dict[int, int] = {}
            for row in ordered:
                first_of.setdefault(acts[row], len(first_of))
            ranks[f"{end} of {column}"] = (rows[0].table, first_of)
    for (one, (table, first)), (other, (another, second)) in combinations(ranks.items(), 2):
        if table != another and first.keys() == second.keys() and _correlation(first, second) > 0.5:
            yield f"{one} as {other}"


def _correlation(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Return the absolute rank correlation (Spearman)."""
    n = len(one)
    squares = sum((one[act] - other[act]) ** 2 for act in one)
    return abs(1 - 6 * squares / (n * (n * n - 1)))


def _hashes(
    acts: Acts, traits: Traits, tables: Mapping[str, list[dict[str, Any]]]
) -> Iterator[str]:
    """Yield the columns whose values have a hash in the database or in the external copy."""
    stored = {
        found
        for rows in tables.values()
        for values in rows
        for found in _HASH.findall(str(list(values.values())))
    }
    for column, by_value in traits.items():
        own = {value for value in by_value if _HASH.fullmatch(str(value))}
        for value, rows in by_value.items():
            if len({acts[row] for row in rows}) == 1 and (_computed(value) & stored) - own:
                yield f"hash of {column}"
                break


def _computed(value: Any) -> set[str]:
    text = str(value)
    made = {hashlib.sha256(text.encode()).hexdigest()}
    if text.isascii():
        made.add(note_digest(text))
    with suppress(ValueError):
        made.add(subject_of(uuid.UUID(text)))
    return made
