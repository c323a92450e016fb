"""Find the rows that the ledger names. It names a row by the hash of its random identifier.

There is no index of these hashes: it would be written with each row and read after a crash only.
An erasure clears the identifier, so that only rows that are not anonymized are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from django.db import connection

from anonymization.ledger.chain import SUBJECT_PREFIX, subject_of
from anonymization.policy import Policy, registry

#: The number of rows that one statement reads.
CHUNK = 50_000
#: Any primary key is between these.
_FIRST, _LAST = 0, 2**63 - 1


def find_rows(names: Collection[str]) -> dict[str, Any]:
    """Return the rows with these hashes that are not anonymized, by hash.

    Stops when all are found. The rows are read from both ends of the table in turn: requests are
    mostly about new rows, retention is about old ones. Persons come last, because most of them are
    found with one of their rows.
    """
    wanted, found = set(names), dict[str, Any]()
    policies = [policy for policy in registry if policy.mark]
    for policy in sorted(policies, key=lambda policy: not policy.subject):
        for keys in _matches(policy, wanted):
            found |= _named(policy.model._base_manager.in_bulk(keys) if keys else {}, wanted)
            found |= _persons_of(policy, keys, wanted)
            if wanted == found.keys():
                return found
    return found


def _named(rows: dict[int, Any], wanted: set[str]) -> dict[str, Any]:
    named = {subject_of(row.uid): row for row in rows.values() if row.uid}
    return {name: row for name, row in named.items() if name in wanted}


def _persons_of(policy: Policy, keys: Collection[int], wanted: set[str]) -> dict[str, Any]:
    if not policy.subject or not keys:
        return {}
    person: Any = policy.fields[policy.subject].related_model
    of_rows = policy.model._base_manager.filter(pk__in=keys).values(policy.subject)
    persons = person._base_manager.filter(pk__in=of_rows)
    return _named({row.pk: row for row in persons}, wanted)


def _matches(policy: Policy, wanted: set[str]) -> Iterator[list[int]]:
    """Yield the keys of the matching rows, chunk by chunk."""
    read = _read_on_postgresql if connection.vendor == "postgresql" else _read_on_sqlite
    after, before, newest = _FIRST, _LAST, True
    while True:
        last, keys = read(policy, (after, before), newest=newest, wanted=wanted)
        if last is None:
            return
        yield keys
        after, before = (after, last) if newest else (last, before)
        newest = not newest


_Read = tuple[int | None, list[int]]


def _statement(policy: Policy, *, newest: bool) -> str:
    table, key = policy.model._meta.db_table, policy.model._meta.pk.column
    return (
        f'SELECT "{key}", "uid" FROM "{table}" '  # noqa: S608  names from the code only
        f'WHERE "{policy.fields[policy.mark].column}" IS NULL AND "{key}" > %s AND "{key}" < %s '
        f'ORDER BY "{key}" {"DESC" if newest else "ASC"} LIMIT %s'
    )


def _read_on_postgresql(
    policy: Policy, between: tuple[int, int], *, newest: bool, wanted: set[str]
) -> _Read:
    """Return the last key of a chunk and the keys of the matching rows. The server hashes."""
    statement = (
        f"WITH chunk (key, uid) AS MATERIALIZED ({_statement(policy, newest=newest)}) "  # noqa: S608
        f"SELECT {'min' if newest else 'max'}(key), coalesce(array_agg(key) FILTER (WHERE "
        "encode(sha256(%s::bytea || uuid_send(uid)), 'hex') = ANY(%s)), '{}') FROM chunk"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*between, CHUNK, SUBJECT_PREFIX, sorted(wanted)])
        last, keys = cursor.fetchone()
    return last, keys


def _read_on_sqlite(
    policy: Policy, between: tuple[int, int], *, newest: bool, wanted: set[str]
) -> _Read:
    """Return the last key of a chunk and the keys of the matching rows."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(policy, newest=newest), [*between, CHUNK])
        rows = cursor.fetchall()
    keys = [key for key, uid in rows if uid and subject_of(UUID(uid)) in wanted]
    return rows[-1][0] if rows else None, keys
