"""The erasure engine. It knows no chat: the registry tells it which rows belong to a subject.

One transaction; the person is locked first, then the rows that carry a mark by primary key, then, last and
briefly, the ledger's head. Set-based statements, whose number does not grow with the subject. The mark and the
data change together. Stored files are queued in the same transaction and deleted after its commit.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Model, QuerySet, UUIDField, Value
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization import outside
from anonymization.files import delete_files_of
from anonymization.ledger import Head, subject_of
from anonymization.models import ASKED_BY_DOOR, Door, Erasure, FileDeletion
from anonymization.policy import Policy, registry

logger = logging.getLogger(__name__)


class ErasureRefused(Exception):
    """The erasure was refused, and nothing was changed. The message is fit for the person who asked."""


class NotErasable(ErasureRefused):
    """The given object is not a stored data subject."""


class SubjectChanged(ErasureRefused):
    """There is something else to erase than the person who asked was shown."""


class LedgerUnavailable(ErasureRefused):
    """The outside copy of the ledger can't be written, so that the erasure could not be proven after a restore."""


class OutsideSubject(ErasureRefused):
    """A statement touched another number of rows than belong to the subject; everything was rolled back."""


@dataclass(frozen=True)
class Requester:
    """Who asks for an erasure and by which door: a member of staff, an API client, or (neither) a command or the
    system itself."""

    door: Door
    user: User | None = None
    #: Of the model that the setting OAUTH2_PROVIDER_APPLICATION_MODEL names.
    client: Any = None


@dataclass(frozen=True)
class Preview:
    """What an erasure would take: rows by policy, and the fields it would clear.

    ``shown`` goes back to ``erase`` as ``expected``: which rows with a mark it is about, by model label.
    """

    counts: Mapping[str, int]
    shown: Mapping[str, str]
    lines: list[tuple[Policy, int]] = field(repr=False)


@dataclass(frozen=True)
class _Scope:
    """The rows of one erasure: the subject, and each policy with the path from its rows to the subject."""

    root: Model
    parts: list[tuple[str, Policy]]

    @classmethod
    def of(cls, root: Model) -> _Scope:
        return cls(root, [(path, p) for path, p in registry.reaching(type(root)) if p.delete or p.erase])

    def rows(self) -> list[tuple[Policy, QuerySet]]:
        return [(policy, policy.rows_of(self.root, path)) for path, policy in self.parts]


def preview(subject: Model) -> Preview:
    """Count what an erasure of the subject would take now. Changes nothing, locks nothing."""
    _require_subject(subject)
    scope = _Scope.of(_with_parent(subject, lock=False))
    keys = {p.label: _keys(rows) for p, rows in scope.rows() if p.mark}
    lines = [(p, len(keys[p.label]) if p.mark else rows.count()) for p, rows in scope.rows()]
    return Preview(
        counts={p.label: n for p, n in lines},
        shown={label: fingerprint(pks) for label, pks in keys.items()},
        lines=lines,
    )


def fingerprint(keys: Iterable[int]) -> str:
    """Return how many rows, and which, in one word of at most 50 characters."""
    ordered = sorted(keys)
    return f"{len(ordered)}-{hashlib.sha256(repr(ordered).encode()).hexdigest()[:32]}"


@transaction.atomic
def erase(
    subject: Model, *, requester: Requester, expected: Mapping[str, str] | None = None
) -> tuple[Erasure, bool]:
    """Erase a data subject and record that it was done; return the record and whether this call did it.

    Takes a loaded object, never a filter value. Safe to repeat and to call twice at once: the second call returns
    the first one's record. ``expected`` is the ``shown`` of the preview that the requester saw: exactly these rows
    are emptied, or nothing is.

    Raises:
        NotErasable: the object is not stored or its model is no data subject.
        SubjectChanged: the rows are not those of ``expected``.
        OutsideSubject: a row outside the subject was touched; nothing changed.
    """
    policy = _require_subject(subject)
    root = _with_parent(subject, lock=True)
    current: Any = _lock(policy.model._base_manager.filter(pk=subject.pk)).get()
    if getattr(current, policy.mark) is not None:
        return getattr(current, policy.record), False

    scope = _Scope.of(root)
    shells = {p.label: _lock_all(rows) for p, rows in scope.rows() if p.mark}
    counts = {p.label: len(shells[p.label]) if p.mark else rows.count() for p, rows in scope.rows()}
    if expected is not None and expected != {label: fingerprint(keys) for label, keys in shells.items()}:
        raise SubjectChanged(
            _("What would be erased has changed since it was shown to you. Nothing was erased.")
        )

    erasure_id, now = uuid.uuid4(), timezone.now()
    for policy_of_rows, rows in scope.rows():
        _queue_files(policy_of_rows, rows, erasure_id)
        _adopt_uploads(policy_of_rows, rows, erasure_id)
        touched = _apply(policy_of_rows, rows, erasure_id, now)
        if touched != counts[policy_of_rows.label]:
            raise OutsideSubject(_("The erasure touched rows outside its subject and was rolled back."))

    erasure = _append(
        Erasure(
            id=erasure_id,
            kind=policy.label,
            subject=subject_of(current.uid),
            day=timezone.localdate(now),
            requester=ASKED_BY_DOOR[requester.door],
            created_at=now,
            door=requester.door,
            requested_by=requester.user,
            client=requester.client,
            counts=counts,
            shells=shells,
        )
    )
    # No partial: Django logs a failure by the function's name, which a partial lacks.
    transaction.on_commit(lambda: _after_commit(erasure), robust=True)
    return erasure, True


def _require_subject(subject: Model) -> Policy:
    """Return the policy of a stored data subject; a null or foreign key never becomes a filter."""
    policy = registry.get(type(subject)) if type(subject) in registry else None
    if policy is None or not policy.mark or subject._state.adding:
        raise NotErasable(_("This is not a stored data subject."))
    if type(subject.pk) is not int or subject.pk < 1:
        raise NotErasable(_("This is not a stored data subject."))
    return policy


def _with_parent(subject: Model, *, lock: bool) -> Model:
    """Return the root of the erasure: the subject, or its person when this is the last row that names them.

    Locks the person before the subject, in the order that every writer keeps.
    """
    policy = registry.get(type(subject))
    step = policy.subject or ""
    if not step or "__" in step:
        return subject
    parent_model: Any = policy.model._meta.get_field(step).related_model
    parent_policy = registry.get(parent_model)
    # Read again: the loaded object may be older than another erasure.
    parent_pk = policy.model._base_manager.filter(pk=subject.pk).values_list(step, flat=True).first()
    if parent_pk is None or parent_policy.erased_with_last != policy.label:
        return subject
    parents = parent_model._base_manager.filter(pk=parent_pk)
    parent = (_lock(parents) if lock else parents).get()
    if getattr(parent, parent_policy.mark) is not None:
        return subject  # hung past the triggers on a person who was erased before
    others = policy.model._base_manager.filter(**{step: parent_pk}).exclude(pk=subject.pk)
    still_named = policy.model._base_manager.filter(**{step: parent_pk}, pk=subject.pk).exists()
    return parent if still_named and not others.exists() else subject


def _lock(rows: QuerySet) -> QuerySet:
    return rows.select_for_update()


def _lock_all(rows: QuerySet) -> list[int]:
    return _keys(_lock(rows))


def _keys(rows: QuerySet) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _queue_files(policy: Policy, rows: QuerySet, erasure_id: uuid.UUID) -> None:
    """Queue the stored files of the rows by one INSERT … SELECT for each file field."""
    for name in policy.file_fields:
        selected = rows.exclude(**{name: ""}).values_list(
            Cast(Value(erasure_id), UUIDField()), F(name), Value(0)
        )
        sql, params = selected.query.sql_with_params()
        quote = connection.ops.quote_name
        columns = ", ".join(quote(c) for c in ("erasure_id", "name", "attempts"))
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {quote(FileDeletion._meta.db_table)} ({columns}) {sql}", params)


def _adopt_uploads(policy: Policy, rows: QuerySet, erasure_id: uuid.UUID) -> None:
    """Take over the uploads that have begun and not ended: the erasure is complete when their files are gone too."""
    if policy.mark:
        uploads = FileDeletion.objects.filter(erasure=None, subject__in=rows.values("uid"))
        uploads.update(erasure_id=erasure_id)


def _apply(policy: Policy, rows: QuerySet, erasure_id: uuid.UUID, now: datetime) -> int:
    """Delete or empty the rows in one statement and return how many it touched."""
    if policy.delete:
        _total, by_model = rows.delete()
        return by_model.pop(policy.model._meta.label, 0) + sum(by_model.values())
    values = policy.erased_values()
    if policy.mark:
        values |= {policy.mark: now, f"{policy.record}_id": erasure_id}
    return rows.update(**values)


def _append(erasure: Erasure) -> Erasure:
    """Chain the record to the one before it and store it. The ledger's head is locked from here to the commit.

    The outside copy gets the intent before the commit and the seal after it.

    Raises:
        LedgerUnavailable: the outside copy can't be written; nothing was changed.
    """
    lock_head()
    last = head()
    erasure.number, erasure.previous = last.sequence + 1, last.hash
    erasure.hash = erasure.entry.hash
    erasure.save(force_insert=True)
    try:
        outside.write_intent(erasure.entry)
    except OSError:
        logger.exception("the outside copy of the ledger can't be written")
        raise LedgerUnavailable(
            _("The outside copy of the ledger can't be written. Nothing was erased.")
        ) from None
    return erasure


def _after_commit(erasure: Erasure) -> None:
    """Seal the record outside, then delete the files; a seal that fails leaves the intent, which counts as much."""
    try:
        outside.write_seal(erasure.entry)
    except OSError:
        logger.exception("erasure %d was not sealed in the outside copy", erasure.number)
    delete_files_of(erasure.pk)


def lock_head() -> None:
    """Let nobody else append to the ledger until the commit; on SQLite the transaction itself excludes others."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('anonymization.ledger'))")


def head() -> Head:
    """Return the newest record of the ledger."""
    last = Erasure.objects.order_by("-number").values_list("number", "hash").first()
    return Head(*last) if last else Head()
