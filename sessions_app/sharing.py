"""Which sessions share their remaining values with enough others (k-anonymity, k = ``MIN_SHARED``).

Many sessions share day, WebChat, channel and consent version, or these can't be made coarser. Operator and duration,
added to them, single out nearly every session of a small firm. A session keeps both only if at least ``MIN_SHARED``
sessions, this one included, share them. docs/erasure.md shows the figures.

Sessions that are not anonymized yet count too, so the order of erasures does not matter: a session shares its values
with the same others before and after. Together with the rounding in ``sessions_app/erasure.py`` this defines which
sessions are alike. Change both together.
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

#: How many sessions must share their values, so that each keeps them.
MIN_SHARED = 5

#: What sessions are alike in, besides the period. Whose consent was withdrawn can be seen as well: they are alike among
#: themselves only.
_ALIKE = ("webchat", "channel", "operator", "band", "text", "consented_on", "withdrawn_on")


#: Stands for the keys in a statement until it is carried out.
_KEYS = object()


def sharing_sessions(keys: Collection[int]) -> list[int]:
    """Return those of the primary keys of locked sessions that have company.

    The database looks for others of the period until it has met enough, so that this costs the same however many there
    are; once for those of the keys that are alike among themselves. A session that nobody answered or that has no
    duration has no company: there is nothing of it to keep.
    """
    _take_turns()
    if len(keys) == 1:
        return [pk for (pk,) in _found(_sharing_enough, keys)]
    first = dict(_found(_first_alike, keys))
    kept = {pk for (pk,) in _found(_sharing_enough, {*first.values()})}
    return [pk for pk, of_its_like in first.items() if of_its_like in kept]


def _found(statement: Callable[..., tuple[str, tuple[Any, ...]]], keys: Collection[int]) -> list[Any]:
    """Return the rows that a statement finds for the keys."""
    sql, params = statement(
        MIN_SHARED, connection.vendor, settings.ERASURE_TIME_PRECISION, settings.TIME_ZONE
    )
    given = keys_parameter(keys)
    with connection.cursor() as cursor:
        cursor.execute(sql, [given if value is _KEYS else value for value in params])
        return cursor.fetchall()


@cache
def _first_alike(*_depends_on: Any) -> tuple[str, tuple[Any, ...]]:
    """Return a statement for the first of the sessions that are like each, and its parameters.

    Made once: that takes longer than carrying it out.
    """
    first = Window(Min("pk"), partition_by=["period", *_ALIKE])
    return _asked().annotate(first=first).values_list("pk", "first").query.sql_with_params()


@cache
def _sharing_enough(enough: int, *_depends_on: Any) -> tuple[str, tuple[Any, ...]]:
    """Return a statement for the sessions that have company, and its parameters."""
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
    """Let erasures count one after the other, each until its commit; on SQLite the transaction excludes others.

    Else one could count as company what another is about to clear. For the rest of the transaction PostgreSQL is kept
    from collecting all index entries of a period before it looks at the first five.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('sessions_app.company')), "
                "set_config('enable_bitmapscan', 'off', true)"
            )


def _comparable(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Return those sessions that have an operator and a duration, with what will be left of them."""
    return sessions.filter(operator__isnull=False, duration__isnull=False).annotate(
        period=StartOf(F("created_at")),
        following=NextStart(F("created_at")),
        band=Band(F("duration")),
        given=FilteredRelation("consent_events", condition=Q(consent_events__kind=ConsentEvent.Kind.GIVEN)),
        taken_back=FilteredRelation(
            "consent_events", condition=Q(consent_events__kind=ConsentEvent.Kind.WITHDRAWN)
        ),
        text=Coalesce("given__text", 0),
        consented_on=Coalesce("given__day", date.min),
        withdrawn_on=Coalesce("taken_back__day", date.min),
    )
