"""Set, review and release legal holds (GDPR Art. 17(3), 18).

A hold keeps a guest or session from being anonymized: see ``held`` for the queries and ``engine``
for the refusal. All functions lock the person, then the row, as an erasure does. A hold and an
erasure of the same row therefore exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization import engine, held
from anonymization.ledger import recording
from anonymization.ledger.recording import Requester
from anonymization.models import DueErasure, Erasure, Ground, Hold, HoldGround, Note, Source
from anonymization.policy import registry


class HoldRefused(Exception):
    """The hold cannot be set, reviewed or released; nothing was changed."""


def nothing_to_hold() -> str:
    """Return why no hold can be set on an anonymized row."""
    return _("This is already anonymized. There is nothing to hold.")


@dataclass(frozen=True)
class Released:
    """The result of a release.

    ``records`` are the records of the erasures that had waited for the hold. ``still_due`` is true
    if an erasure waits for another hold.
    """

    records: list[Erasure]
    still_due: bool


@transaction.atomic
def set_hold(
    subject: Model,
    *,
    ground: HoldGround,
    case_number: str,
    review_on: date,
    set_by: User | None = None,
) -> Hold:
    """Set a hold on a guest or session. Several holds may rest on one row.

    Raises:
        ValidationError: the case number or the day of the review is not valid.
        NotErasable: the object is not saved, or its model is not a data subject.
        HoldRefused: the row is anonymized, so that there is nothing to hold.
    """
    policy, current = engine.lock_subject(subject)
    if getattr(current, policy.mark) is not None:
        raise HoldRefused(nothing_to_hold())
    hold = Hold(
        kind=policy.label,
        subject=current.uid,
        ground=ground,
        case_number=case_number,
        review_on=review_on,
        set_by=set_by,
    )
    hold.clean_fields()
    hold.save(force_insert=True)
    return hold


@transaction.atomic
def review_hold(hold: Hold, *, review_on: date, reviewed_by: User | None = None) -> Hold:
    """Keep a hold after its review, until the day of the next one.

    Raises:
        ValidationError: the day is not valid.
        HoldRefused: the hold was released.
    """
    locked = _lock_active(hold)
    locked.review_on, locked.reviewed_at, locked.reviewed_by = (
        review_on,
        timezone.now(),
        reviewed_by,
    )
    locked.clean_fields()
    locked.save(update_fields=["review_on", "reviewed_at", "reviewed_by"])
    return locked


def release_hold(hold: Hold, *, source: Source, released_by: User | None = None) -> Released:
    """Release a hold, clear its case number and carry out the erasure that waited for it.

    All of it is one transaction, with a record of the release in the ledger. If the erasure is
    refused for another reason than a hold, the hold remains.

    Raises:
        HoldRefused: the hold was released before.
        ErasureRefused: the pending erasure or the ledger was refused; nothing was changed.
    """
    with recording.erasing():
        row = held.rows_of([hold]).get(hold.subject)
        if row is not None:
            engine.lock_subject(row)
        locked = _lock_active(hold)
        locked.released_at, locked.released_by = timezone.now(), released_by
        locked.case_number = ""
        locked.save(update_fields=["released_at", "released_by", "case_number"])
        related = held.related(row) if row is not None else []
        records = list(_carry_out(related, released_by))
        recording.note(
            Note.HOLD_RELEASED,
            requester=Requester(source, released_by),
            subjects=[recording.note_digest(f"hold {locked.pk}")],
        )
        return Released(records, DueErasure.objects.filter(subject__in=related).exists())


def _lock_active(hold: Hold) -> Hold:
    locked = Hold.objects.active().select_for_update(of=("self",)).filter(pk=hold.pk).first()
    if locked is None:
        raise HoldRefused(_("This hold was already released. Nothing was changed."))
    return locked


def _carry_out(subjects: list[UUID], released_by: User | None) -> Iterator[Erasure]:
    """Carry out the due erasures of these subjects. Another hold may keep them waiting."""
    for due in DueErasure.objects.filter(subject__in=subjects):
        subject = _row(due.kind, due.subject)
        # The erasure of the person has anonymized the session too.
        if subject is not None:
            requester = Requester(Source(due.source), released_by, ground=Ground(due.ground))
            record = engine.erase(subject, requester=requester, wait=True)
            if record is not None:
                yield record


def _row(label: str, uid: UUID) -> Model | None:
    policy = next(policy for policy in registry if policy.label == label)
    return policy.model._base_manager.filter(uid=uid).first()
