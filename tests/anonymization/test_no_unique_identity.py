"""Test that no unique constraint covers an erased field.

PostgreSQL logs the keys of a violation.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from anonymization.policy import Policy, registry
from sessions_app.models import Guest

#: Fields that may be unique although they are erased, with the reason.
ALLOWED = {
    (
        "sessions_app.Session",
        "room_key",
    ): "SHA-256 of 256 random bits, which say nothing about a person",
    ("sessions_app.Session", "consent_key"): "SHA-256 of 256 bits derived from those",
    ("sessions_app.Session", "uid"): "random",
    ("sessions_app.Guest", "uid"): "random",
}


def erased(policy: Policy) -> set[str]:
    """Return the fields that an erasure clears or deletes, except ids of deleted rows."""
    whole = (
        {name for name, field in policy.fields.items() if not field.primary_key}
        if policy.delete
        else set()
    )
    return whole | set(policy.erase)


def unique_in_the_database(policy: Policy) -> Iterator[str]:
    """Yield the fields of unique constraints and indexes of the live table."""
    names = {field.column: name for name, field in policy.fields.items()}
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, policy.model._meta.db_table)
    for constraint in constraints.values():
        if constraint["unique"] and not constraint["primary_key"]:
            # An index over an expression has no columns. The product has no unique one.
            assert all(constraint["columns"]), constraint
            yield from (names[column] for column in constraint["columns"])


@pytest.mark.django_db
def test_nothing_erased_is_unique() -> None:
    reached = [policy for _path, policy in registry.reaching(Guest)]
    unique = {(p.label, name) for p in reached for name in unique_in_the_database(p)}
    assert ("sessions_app.Session", "entry_key") in unique, "the control: the database was asked"
    identity = {
        (label, name) for label, name in unique if name in erased(registry._policies[label.lower()])
    }
    assert identity == set(ALLOWED), "each of these is in the database, and no other"
