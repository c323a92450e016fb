"""Tell which rows are under a legal hold. Engine, retention, pages and API ask this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from django.utils import timezone

from anonymization.ledger.chain import subject_of
from anonymization.ledger.recording import Requester
from anonymization.models import DueErasure, Hold
from anonymization.policy import registry
from lib.arrays import in_keys


def held(model: type[Model]) -> Q:
    """Return the condition that a row of a data subject is under a hold: its own or its person's.

    The database reads the active holds once for each statement, not once for each row.
    """
    subjects = Hold.objects.active().order_by().values("subject")
    step = registry.get(model).subject
    condition = Q(uid__in=subjects)
    if step:
        person: Any = registry.get(model).fields[step].related_model
        condition |= Q(
            **{f"{step}__in": person._base_manager.filter(uid__in=subjects).values("pk")}
        )
    return condition


def held_among(model: type[Model], keys: Collection[int]) -> set[int]:
    """Return the keys of the rows that are under a hold, of the given ones."""
    rows = model._base_manager.filter(held(model), pk__in=in_keys(keys))
    return set(rows.order_by().values_list("pk", flat=True))


def any_held(subjects: Collection[str]) -> bool:
    """Return whether a hold rests on a row whose identifier has one of these hashes.

    The hashes are those of the ledger. Only the held rows are read.
    """
    return any(
        subject_of(uid) in subjects
        for policy in registry
        if policy.mark
        for uid in policy.model._base_manager.filter(held(policy.model)).values_list(
            "uid", flat=True
        )
    )


def related(row: Any, *, own_rows: bool = True) -> list[UUID]:
    """Return the random identifiers of a row of a data subject, of its person and its own rows."""
    policy = registry.get(type(row))
    found = [row.uid]
    if policy.subject:
        person: Any = policy.fields[policy.subject].related_model
        step = getattr(row, policy.fields[policy.subject].attname)
        found += person._base_manager.filter(pk=step).values_list("uid", flat=True)
    for path, part in registry.reaching(type(row)):
        if own_rows and part.mark and path:
            found += part.rows_of(row, path).values_list("uid", flat=True)
    return found


def rows_of(holds: Iterable[Hold]) -> dict[UUID, Any]:
    """Return the held rows by their random identifiers, in one query for each model."""
    subjects = {hold.subject for hold in holds}
    found: list[Any] = []
    for policy in registry:
        if policy.mark:
            found += policy.model._base_manager.filter(uid__in=subjects)
    return {row.uid: row for row in found}


def due_erasures(row: Model) -> list[DueErasure]:
    """Return the erasures of a row, its person or its own rows that wait for a hold."""
    return list(DueErasure.objects.filter(subject__in=related(row)))


def holds_on(row: Model) -> list[Hold]:
    """Return the active holds of a row and its person, the next review first."""
    related_uids = related(row, own_rows=False)
    return list(Hold.objects.active().of(related_uids).select_related("set_by"))


def postpone(row: Any, requester: Requester) -> None:
    """Store that the erasure of a row is due when the holds are released.

    An earlier request for the same row is kept.
    """
    DueErasure.objects.get_or_create(
        subject=row.uid,
        defaults={
            "kind": row._meta.label,
            "source": requester.source,
            "ground": requester.ground,
        },
    )


def is_due(row: Any) -> bool:
    """Return whether the erasure of a row is due and waits for a hold."""
    return row.uid is not None and DueErasure.objects.filter(subject=row.uid).exists()


def release_again(rows: Iterable[Any]) -> None:
    """Release the holds of these rows and of their persons, which a backup has brought back.

    The ledger has a record of the first release already.
    """
    subjects = [uid for row in rows for uid in related(row, own_rows=False)]
    brought_back = Hold.objects.active().of(subjects)
    brought_back.update(released_at=timezone.now(), case_number="")


def forget(uids: Collection[UUID]) -> None:
    """Delete what refers to anonymized rows by their random identifier: released holds."""
    for policy in registry:
        if policy.by_uid and policy.delete:
            rows = policy.model._base_manager.filter(
                **{f"{policy.by_uid}__in": in_keys(uids, "uuid")}
            )
            rows.delete()
