"""Erase one data subject: delete rows, clear fields and append the erasure record.

The engine does not depend on the chat apps. The registry defines which rows belong to a data
subject.

An erasure is one transaction. It locks the person first, then the rows that have a mark, in the
order of their primary keys. It locks the ledger last and only briefly. All statements are
set-based: their number does not depend on the amount of data. The mark and the data are changed in
the same transaction. Stored files are queued in that transaction and deleted after its commit.

Afterwards the rows do not refer to each other or to the record of the act. The mark is the first
day of the period, and the random identifiers, whose hashes the record has, are cleared.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Model, Q, QuerySet, UUIDField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.db.models.sql import UpdateQuery
from django.utils.translation import gettext as _

from anonymization import held
from anonymization.ledger.chain import Entry, Head, subject_of
from anonymization.ledger.recording import (
    ErasureRefused,
    Requester,
    announce,
    chain,
    erasing,
    head,
    lock_head,
    new_record,
    seal_after_commit,
)
from anonymization.models import AwaitingFiles, Erasure, FileDeletion, Hold
from anonymization.policy import Policy, registry
from lib.arrays import in_keys, in_parameter, keys_parameter
from lib.days import period_of


class NotErasable(ErasureRefused):
    """The given object is not saved, or its model is not a data subject."""


class SubjectChanged(ErasureRefused):
    """The rows to be erased differ from those that the requester saw; nothing was erased."""


class Overtaken(ErasureRefused):
    """Another process has appended to the ledger in the meantime."""


class Held(ErasureRefused):
    """A legal hold rests on rows of the subject. ``free`` are the keys of the other rows."""

    def __init__(self, policy: Policy, free: list[int]) -> None:
        super().__init__(
            _("A legal hold rests on this data, so it can't be anonymized. Nothing was changed.")
        )
        self.policy, self.free = policy, free


class OutsideSubject(ErasureRefused):
    """A statement changed a different number of rows than belong to the subject.

    The transaction was rolled back.
    """


@dataclass(frozen=True)
class Preview:
    """The result of a dry run: the number of rows that an erasure would change, by policy.

    ``lines`` has the same counts with the policies, which name the fields that would be cleared.
    ``shown`` identifies the rows that have a mark, by model label. Pass it to ``erase`` as
    ``expected``. ``each`` is set for several subjects only: it maps the key of each subject to its
    own ``shown``. The ``shown`` of a subject that is already anonymized is empty. ``held`` is the
    number of rows that a legal hold keeps from being anonymized. Their person is not counted.
    """

    counts: Mapping[str, int]
    shown: Mapping[str, str]
    lines: list[tuple[Policy, int]] = field(repr=False)
    each: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    held: int = 0


#: The rows of one model: primary key → random identifier.
_Rows = dict[int, uuid.UUID]


@dataclass(frozen=True)
class _Scope:
    """The rows of one erasure: the root, and each policy with the path from its rows to the root.

    ``locked`` has, by model label, the rows that are already locked and are the only rows of their
    model.
    """

    root: Model
    parts: list[tuple[str, Policy]]
    locked: Mapping[str, _Rows]

    @classmethod
    def rooted_at(cls, root: Any, subject: Any) -> _Scope:
        """Return the scope of an erasure with this root; ``subject`` is the requested row."""
        parts = [(path, p) for path, p in registry.reaching(type(root)) if p.delete or p.erase]
        return cls(
            root,
            parts,
            {registry.get(type(row)).label: {row.pk: row.uid} for row in (root, subject)},
        )

    def rows(self) -> list[tuple[Policy, QuerySet]]:
        return [(policy, policy.rows_of(self.root, path)) for path, policy in self.parts]


def preview(subject: Model) -> Preview:
    """Count the rows that an erasure of the subject would change now.

    Changes nothing and locks nothing. Rows under a legal hold are not counted, and neither is their
    person.

    Raises:
        NotErasable: the object is not saved, or its model is not a data subject.
    """
    _require_subject(subject)
    scope = _Scope.rooted_at(_with_parent(subject, lock=False), subject)
    keys = {p.label: _keys(rows) for p, rows in scope.rows() if p.mark}
    try:
        _refuse_held(scope, keys)
    except Held as refusal:
        return _preview_around(refusal, keys[refusal.policy.label])
    lines = [
        (p, len(keys[p.label]) if p.mark else rows.count())
        for p, rows in scope.rows()
        if not p.derived
    ]
    return Preview(
        counts={p.label: n for p, n in lines},
        shown={label: fingerprint(pks) for label, pks in keys.items()},
        lines=lines,
    )


def _preview_around(refusal: Held, keys: Collection[int]) -> Preview:
    """Count the rows that an erasure would change next to the rows that a hold keeps."""
    free = refusal.policy.model._base_manager.filter(pk__in=refusal.free).order_by("pk")
    found = preview_several(list(free))
    shown = {refusal.policy.label: fingerprint(refusal.free)} if refusal.free else {}
    return replace(found, shown=shown, each={}, held=len(keys) - len(refusal.free))


def preview_several(subjects: Sequence[Model]) -> Preview:
    """Count the rows that an erasure of these subjects of one model would change now.

    Changes nothing and locks nothing. The number of queries does not depend on the number of
    subjects. The subjects are erased in the given order. If all remaining rows of a person are
    among the subjects, the person is counted too, together with the last of these rows.

    Raises:
        NotErasable: an object is not saved, or the objects are not data subjects of one model.
    """
    policies = {policy.label: policy for policy in map(_require_subject, subjects)}
    if not policies:
        return Preview(counts={}, shown={}, lines=[])
    if len(policies) > 1:
        raise NotErasable(_("This guest or session is not stored here."))
    (policy,) = policies.values()
    pks = [subject.pk for subject in subjects]
    left = set(_keys(policy.model._base_manager.filter(pk__in=pks, **{policy.mark: None})))
    keys = [pk for pk in pks if pk in left]
    parts = [
        (path, p)
        for path, p in registry.reaching(policy.model)
        if (p.delete or p.erase) and not p.derived
    ]
    lines = [(p, p.rows_of_all(keys, path).count()) for path, p in parts]
    marked: dict[int, dict[str, list[int]]] = {pk: {} for pk in pks}
    for path, p in parts:
        if p.mark:
            for pk, key in p.rows_of_all(keys, path).values_list(path or "pk", "pk"):
                marked[pk].setdefault(p.label, []).append(key)
    if parent_policy := _parent_policy(policy):
        parents = _parents_taken(policy, parent_policy, keys)
        for pk, parent in parents.items():
            marked[pk][parent_policy.label] = [parent]
        lines.append((parent_policy, len(parents)))
    return Preview(
        counts={p.label: n for p, n in lines},
        shown={},
        lines=lines,
        each={
            pk: {label: fingerprint(rows) for label, rows in own.items()}
            for pk, own in marked.items()
        },
    )


def _parent_policy(policy: Policy) -> Policy | None:
    """Return the policy of the person who is erased with their last row of this model, or None."""
    step = policy.subject or ""
    if not step or "__" in step:
        return None
    parent = registry.get(policy.fields[step].related_model)  # type: ignore[arg-type]
    return parent if parent.erased_with_last == policy.label else None


def _parents_taken(policy: Policy, parent_policy: Policy, keys: Sequence[int]) -> dict[int, int]:
    """Return the persons whose last rows are erased in this order, by the key of that last row."""
    rows, step = policy.model._base_manager.order_by(), policy.subject or ""
    parent_of = dict(rows.filter(pk__in=keys).values_list("pk", step))
    parents = parent_policy.model._base_manager.filter(
        pk__in=set(parent_of.values()) - {None}, **{parent_policy.mark: None}
    )
    naming = rows.filter(**{f"{step}__in": _keys(parents)}).values_list(step).annotate(Count("pk"))
    left: dict[int, int] = dict(naming)
    taken: dict[int, int] = {}
    for key in keys:
        parent = parent_of[key]
        if parent in left:
            left[parent] -= 1
            if not left[parent]:
                taken[key] = parent
    return taken


def fingerprint(keys: Iterable[int]) -> str:
    """Return a text of at most 50 characters that identifies a set of keys.

    It consists of the number of keys and a hash of them.
    """
    ordered = sorted(keys)
    return f"{len(ordered)}-{hashlib.sha256(repr(ordered).encode()).hexdigest()[:32]}"


def erase(
    subject: Model,
    *,
    requester: Requester,
    expected: Mapping[str, str] | None = None,
    wait: bool = False,
) -> Erasure | None:
    """Erase a data subject, and return the erasure record, or None if it is anonymized already.

    Takes a loaded object, never a filter value. It can be repeated and called concurrently: the
    second call changes nothing. ``expected`` is the ``shown`` of the preview that the requester
    saw. Either exactly these rows are anonymized, or nothing is changed.

    A legal hold on some rows of a person keeps the person and these rows. The other rows are erased
    and detached, and the erasure of the person is stored as due (``held.is_due``).
    With ``wait`` this also applies if a hold rests on all rows: nothing is erased then, and the
    result is None.

    Raises:
        NotErasable: the object is not saved, or its model is not a data subject.
        SubjectChanged: the rows differ from ``expected``.
        Held: a legal hold rests on all rows, and ``wait`` is false; nothing was changed.
        LedgerUnavailable: the external copy cannot be written, or is ahead of the database.
        OutsideSubject: a row outside the subject was changed; the transaction was rolled back.
    """
    policy = _require_subject(subject)
    with erasing():
        root, current = _lock_subject(policy, subject)
        if getattr(current, policy.mark) is not None:
            return None
        record = new_record(policy.label, requester)
        try:
            files = _empty(_Scope.rooted_at(root, current), record, expected=expected)
        except Held as refusal:
            if not refusal.free and not wait:
                raise
            _require_as_shown(expected, {refusal.policy.label: refusal.free})
            held.postpone(current, requester)
            files = _empty_around(refusal, record)
        if not record.rows:
            return None
        chain([record])
        record.save(force_insert=True)
        announce([record], files=files)
        return record


def _empty_around(refusal: Held, record: Erasure) -> bool:
    """Erase the rows that no hold rests on; return whether files may have been queued."""
    record.kind = refusal.policy.label
    rows = refusal.policy.model._base_manager.filter(pk__in=refusal.free).order_by("pk")
    with_files = [_empty(_Scope.rooted_at(row, row), record) for row in rows]
    return any(with_files)


def pending_files(subject: Model) -> int:
    """Return the number of stored files that the erasure of an anonymized row still has to delete.

    Counts all files of the act: the erasure is complete when there are none.
    """
    awaiting = AwaitingFiles.objects.filter(label=subject._meta.label, key=subject.pk)
    return FileDeletion.objects.filter(erasure__in=awaiting.values("erasure")).count()


def replay(
    entry: Entry, subjects: Sequence[Model], *, sealed: bool, requester: Requester
) -> Erasure:
    """Repeat an act from the external copy that the database lacks, and store the same record.

    ``subjects`` are the rows that the entry names, as far as the database has them and they are not
    anonymized. ``sealed`` is true if the external copy has a seal for the entry or for a later one.
    The entry is then not sealed again: otherwise the external copy would seem to end with it. A
    legal hold had then been released before, and an older backup has brought it back: it is
    released again.

    Raises:
        Held: a legal hold rests on a row, and the entry is not sealed; nothing was changed.
        NotErasable: a subject is not saved, or its model is not a data subject.
        OutsideSubject: the entry does not name one of the subjects; nothing was changed.
        Overtaken: the entry does not follow the newest record of the database; nothing was changed.
    """
    with erasing(redo=False):
        if sealed:
            lock_rows(subjects)
            held.release_again(subjects)
        record = erase_named(entry, subjects, requester=requester)
        lock_head()
        if head() != Head(entry.sequence - 1, entry.previous):
            raise Overtaken(
                _("Another process has written to the erasure ledger. Nothing was changed.")
            )
        record.take(entry)
        record.save(force_insert=True)
        transaction.on_commit(lambda: seal_after_commit([record], seal=not sealed), robust=True)
        return record


def erase_named(entry: Entry, subjects: Sequence[Model], *, requester: Requester) -> Erasure:
    """Erase rows that an entry names, and return a new record of that. It is not chained or saved.

    Nothing else is erased. A person who has another row since then stays identified with that row.
    Rows that were anonymized in the meantime are skipped. An entry of version 1 names only one of
    its rows: it stands for all rows of a person.

    Raises:
        NotErasable: a subject is not saved, or its model is not a data subject.
        OutsideSubject: the entry does not name one of the subjects; nothing was changed.
    """
    record = new_record(entry.kind, requester)
    record.day = date.fromisoformat(entry.day)  # The rows get the mark that they had.
    current = [_fresh(subject) for subject in sorted(subjects, key=_persons_first)]
    names = {subject_of(row.uid) for row in current if row.uid}
    if not names.issubset(entry.subjects):
        raise OutsideSubject(_("This record belongs to somebody else. Nothing was erased."))
    for row in current:
        # The erasure of a person has anonymized their other rows.
        if row.uid is None or (record.rows and _is_anonymized(row)):
            continue
        if entry.version == 1 or not _has_other_rows(row, names):
            _empty(_Scope.rooted_at(row, row), record)
    return record


def _persons_first(subject: Model) -> tuple[bool, int]:
    """Return a key that sorts rows in the order in which all writers lock them."""
    return bool(_require_subject(subject).subject), subject.pk


def _fresh(subject: Model) -> Any:
    return _lock_subject(_require_subject(subject), subject)[1]


def _is_anonymized(row: Model) -> bool:
    """Return whether a row has its mark now. The row is locked, but may have been read before."""
    mark = registry.get(type(row)).mark
    row.refresh_from_db(fields=[mark])
    return getattr(row, mark) is not None


def lock_rows(rows: Iterable[Model]) -> None:
    """Lock data subjects as erasures do: first the persons, then the other rows, each by key."""
    persons: set[tuple[str, int]] = set()
    others: set[tuple[str, int]] = set()
    for row in rows:
        policy = _require_subject(row)
        (others if policy.subject else persons).add((policy.label, row.pk))
        if parent_policy := _parent_policy(policy):
            key = getattr(row, policy.fields[policy.subject or ""].attname)
            persons |= {(parent_policy.label, key)} if key else set()
    for locked in (persons, others):
        for label in sorted({label for label, _key in locked}):
            keys = [key for of, key in locked if of == label]
            found = apps.get_model(label)._base_manager.filter(pk__in=in_keys(keys))
            list(_lock(found).order_by("pk").values_list("pk"))


def _has_other_rows(subject: Model, names: Collection[str]) -> bool:
    """Return whether a person has rows with other hashes than these. Locks all of the rows."""
    scope = _Scope.rooted_at(subject, subject)
    own = registry.get(type(subject))
    return any(
        subject_of(uid) not in names
        for path, part in scope.parts
        if part.mark and part is not own
        for uid in _lock_all(part, path, subject).values()
    )


def lock_subject(subject: Model) -> tuple[Policy, Any]:
    """Lock the person, then the subject, as an erasure does; return policy and fresh subject.

    Raises:
        NotErasable: the object is not saved, or its model is not a data subject.
    """
    policy = _require_subject(subject)
    return policy, _lock_subject(policy, subject)[1]


def _lock_subject(policy: Policy, subject: Model) -> tuple[Model, Any]:
    """Lock the person, then the subject; return the root of the erasure and the fresh subject."""
    root = _with_parent(subject, lock=True)
    return root, _lock(policy.model._base_manager.filter(pk=subject.pk)).get()


def _empty(scope: _Scope, record: Erasure, *, expected: Mapping[str, str] | None = None) -> bool:
    """Delete the rows and clear the fields; return whether files may have been queued.

    The facts of these rows are added to the record: counts, hashes of random identifiers, evidence.
    A policy without rows costs no statement: no row can be added while the locks are held.

    Raises:
        Held: a legal hold rests on one of the rows.
        SubjectChanged: the rows differ from ``expected``.
        OutsideSubject: a statement changed another number of rows than were counted.
    """
    marked = {
        p.label: scope.locked.get(p.label) or _lock_all(p, path, scope.root)
        for path, p in scope.parts
        if p.mark
    }
    counts, evidence, uploads_begun, holds = _count(scope, marked)
    if holds:
        _refuse_held(scope, marked)
    _require_as_shown(expected, marked)
    if uploads_begun:
        _adopt_uploads(scope, record.pk)
    for path, policy in scope.parts:
        if not counts[policy.label]:
            continue
        _queue_files(policy, path, scope.root, record.pk)
        if (
            _apply(policy, path, scope.root, record, marked.get(policy.label, ()))
            != (counts[policy.label])
        ):
            raise OutsideSubject(
                _(
                    "The erasure would have changed rows that do not belong to this person, so it was "
                    "rolled back."
                )
            )
    if holds:
        held.forget([uid for rows in marked.values() for uid in rows.values()])
    add_facts(record, counts=counts, marked=marked, evidence=evidence)
    files = uploads_begun or any(counts[p.label] for _path, p in scope.parts if p.file_fields)
    if files:
        await_files([record], {record.pk: marked})
    return files


def _require_as_shown(
    expected: Mapping[str, str] | None, marked: Mapping[str, Iterable[int]]
) -> None:
    """Check that the rows are those that the requester saw.

    Raises:
        SubjectChanged: the rows differ from ``expected``.
    """
    if expected is not None and expected != {
        label: fingerprint(keys) for label, keys in marked.items()
    }:
        raise SubjectChanged(
            _("The data to be erased has changed since you saw it. Nothing was erased.")
        )


def _refuse_held(scope: _Scope, marked: Mapping[str, Collection[int]]) -> None:
    """Check that no legal hold rests on a row of the scope, in one query.

    Raises:
        Held: a hold rests on a row, or on the person of the rows.
    """
    for _path, policy in scope.parts:
        if policy.mark and (keys := marked[policy.label]):
            if kept := held.held_among(policy.model, keys):
                raise Held(policy, free=sorted(set(keys) - kept))
            # The rows of a person come first, and a hold of the person covers them.
            return


def add_facts(
    record: Erasure,
    *,
    counts: Mapping[str, int],
    marked: Mapping[str, _Rows],
    evidence: Iterable[Sequence[Any]],
) -> None:
    """Add what an act did to its record: counts, hashes of random identifiers, kept evidence."""
    uids = [uid for rows in marked.values() for uid in rows.values()]
    record.subjects = sorted([*record.subjects, *map(subject_of, uids)])
    record.rows = len(record.subjects)
    derived = {policy.label for policy in registry if policy.derived}
    record.counts = {
        label: record.counts.get(label, 0) + counts.get(label, 0)
        for label in {**record.counts, **counts}
        if label not in derived
    }
    record.evidence = sorted({*map(tuple, record.evidence), *map(tuple, evidence)})


def await_files(
    records: Iterable[Erasure], marked: Mapping[uuid.UUID, Mapping[str, _Rows]]
) -> None:
    """Store which anonymized rows await the deletion of queued files, by record."""
    queued = FileDeletion.objects.filter(erasure__in=[record.pk for record in records])
    with_files = set(queued.order_by().values_list("erasure_id", flat=True).distinct())
    AwaitingFiles.objects.bulk_create(
        AwaitingFiles(erasure_id=pk, label=label, key=key)
        for pk in with_files
        for label, rows in marked[pk].items()
        for key in rows
    )


def _require_subject(subject: Model) -> Policy:
    """Return the policy of a saved data subject.

    This check keeps a null key or the key of another model from becoming a filter.

    Raises:
        NotErasable: the object is not saved, or its model is not a data subject.
    """
    policy = registry.get(type(subject)) if type(subject) in registry else None
    if policy is None or not policy.mark or subject._state.adding:
        raise NotErasable(_("This guest or session is not stored here."))
    if type(subject.pk) is not int or subject.pk < 1:
        raise NotErasable(_("This guest or session is not stored here."))
    return policy


def _with_parent(subject: Model, *, lock: bool) -> Model:
    """Return the root of the erasure: the subject, or its person if this is the person's last row.

    With ``lock`` the person is locked before the subject. All writers lock in this order.
    """
    policy = registry.get(type(subject))
    parent_policy = _parent_policy(policy)
    if parent_policy is None:
        return subject
    step = policy.subject or ""
    # Read the foreign key from the database: another erasure may have run since the object was
    # loaded.
    rows = policy.model._base_manager
    parents = parent_policy.model._base_manager.filter(
        pk__in=rows.filter(pk=subject.pk).values(step)
    )
    parent = next(iter(_lock(parents) if lock else parents), None)
    if parent is None or getattr(parent, parent_policy.mark) is not None:
        # There is no person, or the triggers were bypassed to attach the row to an anonymized one.
        return subject
    naming = rows.filter(**{step: parent.pk}).order_by().values_list("pk", flat=True)
    return parent if list(naming[:2]) == [subject.pk] else subject


def _lock(rows: QuerySet) -> QuerySet:
    return rows.select_for_update()


def _lock_all(policy: Policy, path: str, root: Model) -> _Rows:
    """Lock the rows in the order of their keys, and return them."""
    table, pk = policy.model._meta.db_table, policy.model._meta.pk.column
    locking = (
        f" {connection.ops.for_update_sql()}" if connection.features.has_select_for_update else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "{pk}", "uid" FROM "{table}" WHERE {policy.where(path)} ORDER BY "{pk}"{locking}',
            [root.pk],
        )
        return {key: uid_of(uid) for key, uid in cursor.fetchall()}


def uid_of(stored: Any) -> uuid.UUID:
    """Return a random identifier as read from the database; SQLite stores a text."""
    return stored if isinstance(stored, uuid.UUID) else uuid.UUID(stored)


class _Found(NamedTuple):
    counts: dict[str, int]
    evidence: list[tuple[Any, ...]]
    uploads_begun: bool
    holds: bool


def _count(scope: _Scope, marked: Mapping[str, _Rows]) -> _Found:
    """Count the rows of each policy, and read what the remaining rows prove.

    Also returns whether any upload has begun but not ended, and whether there is any legal hold. A
    single statement reads everything.
    """
    counts = {p.label: len(marked.get(p.label, ())) for _path, p in scope.parts}
    counted = [(path, p) for path, p in scope.parts if not p.mark]
    proving = [(path, p) for path, p in registry.reaching(type(scope.root)) if p.evidence]
    columns = [
        f'(SELECT COUNT(*) FROM "{p.model._meta.db_table}" WHERE {p.where(path)})'
        for path, p in counted
    ]
    columns += [_evidence_in_one(policy, path) for path, policy in proving]
    columns.append(
        f'EXISTS (SELECT 1 FROM "{FileDeletion._meta.db_table}" WHERE "erasure_id" IS NULL)'
    )
    columns.append(f'EXISTS (SELECT 1 FROM "{Hold._meta.db_table}")')
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", [scope.root.pk] * (len(columns) - 2))
        *found, uploads_begun, holds = cursor.fetchone()
    counts |= {p.label: number for (_path, p), number in zip(counted, found, strict=False)}
    evidence = [
        (policy.label, *values)
        for (_path, policy), rows in zip(proving, found[len(counted) :], strict=True)
        for values in json.loads(rows)
    ]
    return _Found(counts, evidence, bool(uploads_begun), bool(holds))


def _evidence_in_one(policy: Policy, path: str) -> str:
    """Return SQL for the evidence of a policy as one JSON text, with a placeholder for the key.

    Cached, because compiling takes longer than executing it.
    """
    cached = ("evidence", connection.vendor, path)
    if cached not in policy.compiled and policy.evidence:
        rows = policy.rows_of_all([0], path).order_by()
        lookups = policy.evidence.lookups
        sql, _params = rows.values_list(*lookups).distinct().query.sql_with_params()
        names = ", ".join(f"value_{number}" for number in range(len(lookups)))
        array = f"json_group_array(json_array({names}))"
        if connection.vendor == "postgresql":
            array = f"coalesce(json_agg(json_build_array({names})), '[]')::text"
        policy.compiled[cached] = f"(WITH kept ({names}) AS ({sql}) SELECT {array} FROM kept)"
    return str(policy.compiled[cached])


def _keys(rows: QuerySet) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _queue_files(policy: Policy, path: str, root: Model, erasure_id: uuid.UUID) -> None:
    """Queue the stored files of the rows, with one INSERT … SELECT for each file field."""
    for name in policy.file_fields:
        rows = policy.rows_of(root, path).exclude(**{name: ""})
        selected = rows.values_list(Cast(Value(erasure_id), UUIDField()), F(name), Value(0))
        sql, params = selected.query.sql_with_params()
        quote = connection.ops.quote_name
        columns = ", ".join(quote(c) for c in ("erasure_id", "name", "attempts"))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {quote(FileDeletion._meta.db_table)} ({columns}) {sql}", params
            )


def _adopt_uploads(scope: _Scope, erasure_id: uuid.UUID) -> None:
    """Assign unfinished uploads of these rows to the erasure.

    The erasure is not complete until the files of these uploads are deleted too.
    """
    of_marked = Q()
    for policy, rows in scope.rows():
        if policy.mark:
            of_marked |= Q(subject__in=rows.values("uid"))
    FileDeletion.objects.filter(of_marked, erasure=None).update(erasure_id=erasure_id)


def _apply(policy: Policy, path: str, root: Model, record: Erasure, keys: Collection[int]) -> int:
    """Delete the rows or clear their fields, in one statement; return the number of changed rows.

    ``keys`` are the keys of the rows; they are used for ``Policy.sharing`` only.
    """
    # No cascade in Python: if another row still refers to a deleted one, the database refuses the
    # commit.
    deletion: tuple[str, list[Any]] = f'DELETE FROM "{policy.model._meta.db_table}"', []
    statement, params = deletion if policy.delete else _emptying(policy, record, keys)
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} WHERE {policy.where(path)}", [*params, root.pk])
        return int(cursor.rowcount)


#: Placeholders for the parameters of a compiled statement.
_PERIOD, _SHARING = object(), object()


def _emptying(policy: Policy, record: Erasure, keys: Collection[int]) -> tuple[str, list[Any]]:
    """Return ``UPDATE … SET …`` without its condition, and its parameters.

    Compiling takes longer than the statement itself. The result is therefore cached for each
    combination of the settings that the expressions depend on.
    """
    depends_on = (connection.vendor, settings.ERASURE_TIME_PRECISION, settings.TIME_ZONE)
    if depends_on not in policy.compiled:
        values = policy.erased_values(in_parameter(_SHARING))
        if policy.mark:
            values[policy.mark] = RawSQL("%s", (_PERIOD,))
        query: Any = policy.model._base_manager.all().query.chain(UpdateQuery)
        query.add_update_values(values)
        policy.compiled[depends_on] = query.get_compiler(connection=connection).as_sql()
    statement, params = policy.compiled[depends_on]
    given = {
        _PERIOD: connection.ops.adapt_datefield_value(period_of(record.day)),
        _SHARING: keys_parameter(policy.sharing(keys) if policy.sharing else ()),
    }
    return statement, [given[value] if type(value) is object else value for value in params]
