"""Find the sessions that share their remaining values with enough others (k-anonymity).

k is ``MIN_SHARED``. Many sessions have the same day, WebChat, channel and consent version, or these
cannot be rounded further. Together with operator and duration, they single out nearly every session
of a small company. A session keeps operator and duration only if at least ``MIN_SHARED`` sessions,
itself included, share them. docs/erasure.md contains the figures.

Sessions that are not yet anonymized count too. The order of erasures therefore does not matter: a
session shares its values with the same sessions before and after. This module and the rounding in
``sessions_app/erasure.py`` together define which sessions are equal. Change both together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, FilteredRelation, Min, OuterRef, Q, QuerySet, Window
from django.db.models.functions import Coalesce

from lib.arrays import in_parameter, keys_parameter
from sessions_app.models import ConsentEvent, Session
from sessions_app.rounding import Band, NextStart, StartOf

#: The number of sessions that must share their values for each of them to keep the values.
MIN_SHARED = 5

#: The values, besides the period, in which sessions must be equal. A withdrawal remains visible, so
#: sessions with withdrawn consent are compared only with each other.
_ALIKE = ("webchat", "channel", "operator", "band", "text", "consented_on", "withdrawn_on")


#: A placeholder for the keys in a cached statement, replaced when the statement is executed.
_KEYS = object()


def sharing_sessions(keys: Collection[int]) -> list[int]:
    """Return those of the keys whose sessions may keep their values. The sessions must be locked.

    The database stops searching as soon as it has found enough equal sessions of the period.
    Therefore the cost does not depend on their number. The search runs once per group of equal
    sessions among the keys. A session without an operator or a duration is never returned, because
    it has nothing to keep.
    """
    _take_turns()
    if len(keys) == 1:
        return [pk for (pk,) in _found(_sharing_enough, keys)]
    first = dict(_found(_first_alike, keys))
    kept = {pk for (pk,) in _found(_sharing_enough, {*first.values()})}
    return [pk for pk, of_its_like in first.items() if of_its_like in kept]


def _found(
    statement: Callable[..., tuple[str, tuple[Any, ...]]], keys: Collection[int]
) -> list[Any]:
    """Execute a statement for the keys and return its rows."""
    sql, params = statement(
        MIN_SHARED, connection.vendor, settings.ERASURE_TIME_PRECISION, settings.TIME_ZONE
    )
    given = keys_parameter(keys)
    with connection.cursor() as cursor:
        cursor.execute(sql, [given if value is _KEYS else value for value in params])
        return cursor.fetchall()


@cache
def _first_alike(*_depends_on: Any) -> tuple[str, tuple[Any, ...]]:
    """Return a statement that yields each session and the first session equal to it.

    Returns the SQL and its parameters. Cached, because building it takes longer than executing it.
    """
    first = Window(Min("pk"), partition_by=["period", *_ALIKE])
    return _asked().annotate(first=first).values_list("pk", "first").query.sql_with_params()


@cache
def _sharing_enough(enough: int, *_depends_on: Any) -> tuple[str, tuple[Any, ...]]:
    """Return a statement that yields the sessions with enough equal ones, as SQL and parameters."""
    others = _comparable(Session.objects.all()).filter(
        created_at__gte=OuterRef("period"),
        created_at__lt=OuterRef("following"),
        **{name: OuterRef(name) for name in _ALIKE},
    )
    found = _asked().filter(Exists(others.order_by()[enough - 1 : enough]))
    return found.values_list("pk").query.sql_with_params()


def _asked() -> QuerySet[Session]:
    return _comparable(Session.objects.filter(pk__in=in_parameter(_KEYS))).order_by()


def _take_turns() -> None:
    """Serialize the counting of concurrent erasures; each keeps the lock until its commit.

    Otherwise an erasure could count a session whose values another erasure is about to clear. On
    SQLite the transaction itself excludes other writers. On PostgreSQL this also disables bitmap
    scans for the rest of the transaction. With them, the database would collect all index entries
    of a period before it looks at the first five.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('sessions_app.company')), "
                "set_config('enable_bitmapscan', 'off', true)"
            )


def _comparable(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Return the sessions that have an operator and a duration, with their rounded values."""
    return sessions.filter(operator__isnull=False, duration__isnull=False).annotate(
        period=StartOf(F("created_at")),
        following=NextStart(F("created_at")),
        band=Band(F("duration")),
        # A session has an event of one of these two kinds: it agreed to a text, or was informed.
        given=FilteredRelation(
            "consent_events",
            condition=Q(
                consent_events__kind__in=[ConsentEvent.Kind.GIVEN, ConsentEvent.Kind.INFORMED]
            ),
        ),
        taken_back=FilteredRelation(
            "consent_events", condition=Q(consent_events__kind=ConsentEvent.Kind.WITHDRAWN)
        ),
        text=Coalesce("given__text", 0),
        consented_on=Coalesce("given__day", date.min),
        withdrawn_on=Coalesce("taken_back__day", date.min),
    )
