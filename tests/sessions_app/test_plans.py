"""Test that PostgreSQL uses an index for guests and sessions, although it has no statistics."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from anonymization import planner
from bench.load import load
from sessions_app import gate
from sessions_app.models import Session
from sessions_app.people import find_people
from tests.factories import StaffFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

NAME, EMAIL, PHONE = "Guest Number 500", "guest.500@example.com", "+420 200000500"
PERSON = {"name": NAME, "email": EMAIL, "phone": PHONE}
Work = Callable[[], Any]


@transaction.atomic
def find_at_the_gate() -> None:
    gate._guest_for(gate.Entry.of(PERSON), region="CZ", now=timezone.now())


def session_by(**lookup: Any) -> Work:
    return lambda: list(Session.objects.filter(**lookup)[:50])


#: Each search, with the indexes that it must use.
LOOKUPS: dict[str, tuple[Work, set[str]]] = {
    "four words": (lambda: find_people(name=f"{NAME} x"), {"guestword_word"}),
    "name": (lambda: find_people(name=NAME), {"guestword_word", "session_guest"}),
    "beginning": (lambda: find_people(name="500"), {"guestword_word", "session_guest"}),
    "email": (lambda: find_people(email=EMAIL), {"guest_email_key", "session_guest"}),
    "phone": (lambda: find_people(phone=PHONE), {"guest_phone_key", "session_guest"}),
    "two of three": (
        lambda: find_people(name=NAME, email=EMAIL),
        {"guestword_word", "guest_email_key", "session_guest"},
    ),
    "gate": (find_at_the_gate, {" guest_"}),
    "room": (session_by(room_key="0" * 64), {"sessions_app_session_room_key"}),
    "my consent": (session_by(consent_key="0" * 64), {"sessions_app_session_consent_key"}),
    "ticket": (session_by(entry_key="0" * 64), {"sessions_app_session_entry_key"}),
    "guest": (session_by(guest=500), {"session_guest"}),
    "withdrawals": (session_by(withdrawn_at__isnull=False), {"session_withdrawn"}),
}


def plans_of(work: Work) -> str:
    """Return the plans of the statements that read guests or sessions."""
    plans: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if re.search(r'FROM "sessions_app_(guest|guestword|session)"', sql):
            with connection.connection.cursor() as cursor:
                explained = cursor.execute(f"EXPLAIN {sql}", params).fetchall()
            plans.extend(line for (line,) in explained)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        work()
    return "\n".join(plans)


def test_every_lookup_uses_its_indexes() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no statistics of values")
    # With so many rows, reading a whole table is far more expensive than any index.
    operators = [StaffFactory(username=f"operator {number}") for number in range(8)]
    load(20_000, first_operator=operators[0].pk)
    assert planner.remembered(connection) == []

    for name, (work, indexes) in LOOKUPS.items():
        plans = plans_of(work)
        # Few erasures wait for a hold. Reading the whole table is correct.
        read = set(re.findall(r"Seq Scan on (\w+)", plans)) - {"anonymization_dueerasure"}
        assert read == set(), name
        assert {index for index in indexes if index not in plans} == set(), name
