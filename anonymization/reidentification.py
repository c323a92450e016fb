"""Whether what remains of erased rows singles somebody out: how many of them are like no other.

A row that shares its remaining values with k - 1 others hides among k (k-anonymity). The registry says which models
leave emptied rows, what remains of them, and what of it may be known from elsewhere (``Policy.known``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet, Sum

from anonymization.policy import Policy, registry
from lib.days import start_of_day

#: Fewer alike than these are few.
FEW = 5


@dataclass(frozen=True)
class Likeness:
    """How alike the emptied rows of a model are in some columns; ``smallest`` is the least k, None without rows."""

    model: str
    columns: list[str]
    rows: int
    alone: int
    few: int
    smallest: int | None

    def as_fields(self) -> dict[str, Any]:
        return asdict(self)


def likenesses(*, since: date | None = None, until: date | None = None) -> list[Likeness]:
    """Return, for each model that leaves emptied rows, what may be known from elsewhere and then all that remains.

    Of the rows of a period, both days included. One query for each.
    """
    found = []
    for policy in registry:
        if policy.mark and policy.guessable:
            rows = _of_period(policy.model._base_manager.exclude(**{policy.mark: None}), policy, since, until)
            rest = {name: F(name) for name in policy.remaining if F(name) not in policy.guessable.values()}
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
