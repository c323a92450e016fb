"""Which sessions have company: as many others that will look the same once they are anonymized.

Day, WebChat, channel and consent version are shared by many sessions, or can't be coarser. Who answered and for how
long, added to them, singles out nearly every session of a small company. Both stay on a session only where ``COMPANY``
sessions, this one included, share them: docs/erasure.md holds the figures.

Sessions that are not anonymized yet count too, so that it does not matter which is first: what is alike finds the
same company before and after. Together with the rounding of ``sessions_app/erasure.py`` this is what it means to be
alike; who changes one changes both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, FilteredRelation, Q, QuerySet

from sessions_app.models import ConsentEvent, Session
from sessions_app.rounding import Band, StartOf, next_start

#: How many sessions must be alike.
COMPANY = 5

#: Whose consent was withdrawn, and in which period, can be seen as well: they are alike among themselves only.
_ALIKE = ("webchat_id", "period", "channel", "operator_id", "band", "given__text_id", "taken_back__day")


#: A WebChat and the start of a period.
Period = tuple[int, datetime]
#: What sessions that have company look alike in, by period.
Shared = dict[Period, set[tuple[Any, ...]]]

_remembered: ContextVar[Shared | None] = ContextVar("remembered", default=None)


@contextmanager
def remembering(memory: Shared) -> Iterator[None]:
    """Within it, take from ``memory`` what was counted of a period before, for the next chunk of its sessions.

    What has company has it for good. What had none is counted as alone although others may have come since: then it
    keeps less than it might.
    """
    token = _remembered.set(memory)
    try:
        yield
    finally:
        _remembered.reset(token)


def in_company(sessions: QuerySet[Session]) -> list[int]:
    """Return the primary keys of those sessions that have company. Two statements, whatever their number.

    A session that nobody answered or that has no duration has none: there is nothing of it to keep.
    """
    cells = {pk: tuple(cell) for pk, *cell in _with_cell(sessions).values_list("pk", *_ALIKE)}
    shared = _shared_in({cell[:2] for cell in cells.values()})
    return [pk for pk, cell in cells.items() if cell in shared[cell[:2]]]


def _shared_in(periods: set[Period]) -> Shared:
    known = _remembered.get()
    shared: Shared = {period: known[period] for period in periods if known and period in known}
    shared |= _counted(periods - shared.keys())
    if known is not None:
        # Sessions come in the order of time: earlier periods are done with.
        known.clear()
        known.update(shared)
    return shared


def _counted(periods: set[Period]) -> Shared:
    shared: Shared = {period: set() for period in periods}
    if periods:
        company = _with_cell(Session.objects.filter(_in_periods(periods))).values_list(*_ALIKE)
        for *cell, _alike in company.annotate(alike=Count("pk")).filter(alike__gte=COMPANY).order_by():
            shared[cell[0], cell[1]].add(tuple(cell))
    return shared


def _with_cell(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Return those sessions that have an operator and a duration, with what will be left of them."""
    return sessions.filter(operator__isnull=False, duration__isnull=False).annotate(
        period=StartOf(F("created_at")),
        band=Band(F("duration")),
        given=FilteredRelation("consent_events", condition=Q(consent_events__kind=ConsentEvent.Kind.GIVEN)),
        taken_back=FilteredRelation(
            "consent_events", condition=Q(consent_events__kind=ConsentEvent.Kind.WITHDRAWN)
        ),
    )


def _in_periods(periods: Iterable[Period]) -> Q:
    """Return the condition for the sessions of these WebChats in the periods that begin at these times."""
    precision, zone = settings.ERASURE_TIME_PRECISION, settings.TIME_ZONE
    condition = Q()
    for webchat, start in sorted(periods):
        condition |= Q(
            webchat=webchat, created_at__gte=start, created_at__lt=next_start(precision, start, zone)
        )
    return condition
