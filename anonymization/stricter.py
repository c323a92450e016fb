"""Apply a stricter policy to rows that were anonymized before it.

A field that is kept today may be erased tomorrow, and ERASURE_TIME_PRECISION may become coarser.
New erasures obey immediately. Rows that are already anonymized keep what the old policy left, and
the seal guarantees only that nothing is added. This module finds them and clears them.

Fields that are kept if shared are left out: whether they are kept depends on other rows. Times of a
period that is longer than the present one are left out too: they cannot become finer again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, Case, Expression, F, Q, QuerySet, When
from django.db.models.expressions import RawSQL

from anonymization.ledger import recording
from anonymization.ledger.recording import Requester
from anonymization.models import FileDeletion, Note
from anonymization.periods import PeriodOf
from anonymization.policy import Policy, registry
from anonymization.triggers import existing, outdated_columns

#: Rows in one transaction.
CHUNK = 1000


@dataclass(frozen=True)
class Gap:
    """Anonymized rows of a policy that differ from it.

    ``field`` is the name of the field that has more information than the policy allows. It is empty
    if the policy deletes such rows.
    """

    policy: Policy
    field: str
    outdated: Q

    @property
    def name(self) -> str:
        return f"{self.policy.label}.{self.field}" if self.field else self.policy.label

    def rows(self) -> QuerySet:
        return _anonymized(self.policy).filter(self.outdated)


def gaps() -> list[Gap]:
    """Return the gaps that have rows. Each search ends at the first row that it finds.

    Without a gap, each table is read once. A table that a migration has not created yet is skipped.
    """
    return [
        gap
        for policy in existing(connection)
        if (possible := list(_possible(policy)))
        and _anonymized(policy).filter(_any(possible)).exists()
        for gap in possible
        if gap.rows().exists()
    ]


def count(found: list[Gap]) -> dict[str, int]:
    """Return the number of rows of each gap, by its name."""
    return {gap.name: gap.rows().count() for gap in found}


def apply(
    *, requester: Requester, progress: Callable[[int], Any] = lambda rows: None
) -> dict[str, int]:
    """Clear what the present policy does not allow, and return the number of rows by model.

    A note in the ledger comes first, so that no row changes without it. Then the rows change in
    chunks, each in its own transaction. An interrupted run can be repeated. Without a gap nothing
    is done. ``progress`` is called with the number of rows of each chunk.

    Raises:
        LedgerUnavailable: the external copy cannot be written; nothing was changed.
    """
    found = gaps()
    by_policy = {gap.policy.label: [g for g in found if g.policy is gap.policy] for gap in found}
    counts = {
        label: _anonymized(of_one[0].policy).filter(_any(of_one)).count()
        for label, of_one in by_policy.items()
    }
    if counts:
        recording.note(Note.STRICTER_POLICY, requester=requester, counts=counts)
    for of_one in by_policy.values():
        for keys in _chunks(of_one):
            _clear(of_one[0].policy, keys)
            progress(len(keys))
    return counts


def _anonymized(policy: Policy) -> QuerySet:
    """Return the anonymized rows, or the rows that belong to one and have no mark themselves."""
    rows = policy.model._base_manager.all()
    if policy.mark:
        return rows.exclude(**{policy.mark: None})
    step, parent = _parent(policy)
    return rows.exclude(**{f"{step}__{parent.mark}": None}) if parent else rows.none()


def _parent(policy: Policy) -> tuple[str, Policy | None]:
    """Return the foreign key on the path to the subject, with the policy of a row with a mark.

    The policy is None if the path has no foreign key or if its rows have no mark.
    """
    step = (policy.subject or "").partition("__")[0]
    model = policy.fields[step].related_model if step else None
    if not isinstance(model, type) or model not in registry or not registry.get(model).mark:
        return step, None
    return step, registry.get(model)


def _possible(policy: Policy) -> Iterator[Gap]:
    """Yield the gaps that a policy can have."""
    if not policy.mark:
        if policy.delete and _parent(policy)[1]:
            yield Gap(policy, "", Q(pk__isnull=False))
        return
    for name, outdated in outdated_columns(policy, connection).items():
        yield Gap(policy, name, Q(RawSQL(outdated, (), output_field=BooleanField())))  # noqa: S611  the SQL is from the registry
    for name, start in _starts(policy).items():
        yield Gap(policy, name, ~Q(**{name: start}) & ~_first_of_month(policy, name))


def _starts(policy: Policy) -> dict[str, Any]:
    """Return the names of the rounded times and of the mark with the start of their period."""
    values = policy.erased_values()
    return {name: values[name] for name in policy.rounded} | {policy.mark: PeriodOf(F(policy.mark))}


def _first_of_month(policy: Policy, name: str) -> Q:
    """Return the condition that a value was cut to the month, which may be coarser than now."""
    first = Q(**{f"{name}__day": 1})
    if name in policy.rounded:
        first &= Q(**{f"{name}__{unit}": 0 for unit in ("hour", "minute", "second")})
    return first


def _any(found: list[Gap]) -> Q:
    outdated = Q()
    for gap in found:
        outdated |= gap.outdated
    return outdated


def _chunks(found: list[Gap]) -> Iterator[list[int]]:
    """Yield the keys of outdated rows in their order, each key once."""
    rows = _anonymized(found[0].policy).filter(_any(found)).order_by("pk")
    last = 0
    while keys := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK]):
        yield keys
        last = keys[-1]


@transaction.atomic
def _clear(policy: Policy, keys: list[int]) -> None:
    rows = policy.model._base_manager.filter(pk__in=keys)
    if policy.delete:
        _queue_files(policy, rows)
        rows.delete()
        return
    values = policy.erased_values()
    constants = {name: v for name, v in values.items() if not isinstance(v, Expression)}
    cut = {
        name: Case(When(_first_of_month(policy, name), then=F(name)), default=start)
        for name, start in _starts(policy).items()
    }
    rows.update(**constants, **cut)


def _queue_files(policy: Policy, rows: QuerySet) -> None:
    """Queue the stored files of rows that will be deleted. Cron deletes them."""
    for name in policy.file_fields:
        stored = rows.exclude(**{name: ""}).values_list(name, flat=True)
        FileDeletion.objects.bulk_create(FileDeletion(name=file) for file in stored)
