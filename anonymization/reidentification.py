"""Measure whether the remaining values of anonymized records can single out a person.

A row that shares its remaining values with k - 1 other rows cannot be distinguished from them
(k-anonymity). The registry defines which models have anonymized records, which values remain, and
which of these another person may know (``Policy.guessable``).

Anonymized records show the period of their erasure. If an act is the only one of its period, this
links its records to each other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet, Sum

from anonymization.models import Erasure
from anonymization.periods import PeriodOf
from anonymization.policy import Policy, registry
from lib.days import RoundedDay, period_of, start_of_day

#: A group of equal rows that is smaller than this counts as few.
FEW = 5


@dataclass(frozen=True)
class Likeness:
    """How many anonymized records of a model share their values in some columns.

    ``alone`` are the rows with k = 1, ``few`` those with k < 5. ``smallest`` is the smallest k, or
    None without rows.
    """

    model: str
    columns: list[str]
    rows: int
    alone: int
    few: int
    smallest: int | None

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Acts:
    """The acts that anonymized several records, and the periods in which such an act is alone.

    All records with the mark of such a period belong to the same person.
    """

    several: int
    alone: int
    periods: list[str]

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)


def acts(*, since: date | None = None, until: date | None = None) -> Acts:
    """Return the acts of each period that overlaps the given days. Both days are included."""
    periods: QuerySet = Erasure.objects.of_people().order_by().annotate(period=PeriodOf(F("day")))
    if since:
        periods = periods.filter(period__gte=period_of(since))
    if until:
        periods = periods.filter(period__lte=until)
    several = Count("pk", filter=Q(rows__gt=1))
    by_period = periods.values("period").annotate(acts=Count("pk"), several=several)
    found = list(by_period.order_by("period"))
    alone = [row["period"] for row in found if row["acts"] == row["several"] == 1]
    return Acts(
        several=sum(row["several"] for row in found),
        alone=len(alone),
        periods=[RoundedDay.of(period).isoformat() for period in alone],
    )


def likenesses(*, since: date | None = None, until: date | None = None) -> list[Likeness]:
    """Return the likeness of the anonymized records of a period, for each model.

    Each model is measured first by the values that another person may know, then by all remaining
    values. Both days are included. One query for each measurement.
    """
    found = []
    for policy in registry:
        if policy.mark and policy.guessable:
            rows = _of_period(
                policy.model._base_manager.exclude(**{policy.mark: None}), policy, since, until
            )
            rest = {
                name: F(name)
                for name in policy.remaining
                if F(name) not in policy.guessable.values()
            }
            found.append(_likeness(policy, rows, policy.guessable))
            if rest:
                found.append(_likeness(policy, rows, {**policy.guessable, **rest}))
    return found


def _of_period(rows: QuerySet, policy: Policy, since: date | None, until: date | None) -> QuerySet:
    day = policy.guessable["day"]
    rows = rows.alias(known_day=day)
    if since:
        rows = rows.filter(known_day__gte=start_of_day(since))
    return rows.filter(known_day__lt=start_of_day(until + timedelta(days=1))) if until else rows


def _likeness(policy: Policy, rows: QuerySet, columns: Any) -> Likeness:
    named = {f"known_{name}": expression for name, expression in columns.items()}
    alike = rows.order_by().values(**named).annotate(k=Count("pk"))
    counted = alike.aggregate(
        rows=Sum("k", default=0),
        alone=Count("k", filter=Q(k=1)),
        few=Sum("k", filter=Q(k__lt=FEW), default=0),
        smallest=Min("k"),
    )
    return Likeness(model=policy.label, columns=list(columns), **counted)
