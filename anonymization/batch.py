"""Erase many subjects together, for retention periods.

The result for each subject is the same as that of ``engine.erase``. All subjects share the
statements that one erasure needs.

The whole set is one transaction. It locks in the same order as the engine: the persons, then the
rows, then the ledger. Rows that another transaction has locked are skipped, so that several runs
share the work. Each subject has a separate record in the ledger, with its own counts.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from anonymization import held
from anonymization.engine import NotErasable, OutsideSubject, add_facts, await_files
from anonymization.ledger.recording import Requester, announce, chain, erasing, new_records
from anonymization.models import Erasure, FileDeletion, Hold
from anonymization.policy import Policy, registry
from lib.arrays import as_rows, in_keys
from lib.days import period_of

#: Primary key of a row → the new erasure record of the subject that the row is erased with.
_Owners = Mapping[int, Erasure]


@dataclass(frozen=True)
class _Part:
    """The rows of one policy; ``path`` is the lookup path from the rows to their owners."""

    policy: Policy
    path: str
    owners: _Owners

    def rows(self) -> QuerySet:
        return self.policy.rows_of_all(in_keys(self.owners), self.path)


def erase_batch(pks: Sequence[int], *, among: QuerySet, requester: Requester) -> list[Erasure]:
    """Erase the rows of ``among`` with these keys; return their records in random order.

    ``among`` is evaluated again under the lock. Rows that no longer match it are skipped, and so
    are rows under a legal hold and rows that another transaction has locked. If the last rows of a
    person are in the batch, the person is erased together with the last of these rows.

    Raises:
        NotErasable: the model is not a data subject, or other models with a mark depend on its
            rows.
        OutsideSubject: a row outside the batch was changed; the transaction was rolled back.
        LedgerUnavailable: the external copy of the ledger cannot be written; nothing was changed.
    """
    policy = registry.get(among.model)
    if [part for _path, part in registry.reaching(policy.model) if part.mark] != [policy]:
        raise NotErasable(_("This guest or session is not stored here."))
    with erasing():
        return _erase_locked(policy, pks, among.filter(**{policy.mark: None}), requester)


def _erase_locked(
    policy: Policy, pks: Sequence[int], among: QuerySet, requester: Requester
) -> list[Erasure]:
    uids, taken, parents = _lock(policy, pks, among, requester)
    # In the order of keys, the sequence numbers would tell which record is of which row.
    records = random.SystemRandom().sample(list(taken.values()), len(taken))
    if not records:
        return []
    parts = list(_parts(policy, taken, parents))
    acts = _Acts(records)
    counted = [(part, _count(part, acts, locked={policy.label: uids})) for part in parts]
    _add_evidence(policy, taken, acts)
    has_files = _adopt_uploads({uids[pk]: record for pk, record in taken.items()})
    has_files |= any(number and part.policy.file_fields for part, number in counted)
    for part, expected in counted:
        if expected and _erase(part) != expected:
            raise OutsideSubject(
                _(
                    "The erasure would have changed rows that do not belong to this person, so it was "
                    "rolled back."
                )
            )
    if Hold.objects.exists():
        held.forget(acts.uids())
    acts.complete()
    _insert(records)
    if has_files:
        await_files(records, acts.marked)
    announce(records, files=has_files)
    return records


class _Acts:
    """The facts of the acts of a batch, by the primary keys of their records."""

    def __init__(self, records: list[Erasure]) -> None:
        self.records = records
        self.marked: dict[uuid.UUID, dict[str, dict[int, uuid.UUID]]] = {
            record.pk: {} for record in records
        }
        self.counts: dict[uuid.UUID, dict[str, int]] = {record.pk: {} for record in records}
        self.evidence: dict[uuid.UUID, list[tuple[Any, ...]]] = {
            record.pk: [] for record in records
        }

    def uids(self) -> list[uuid.UUID]:
        """Return the random identifiers of all anonymized rows."""
        return [
            uid
            for marked in self.marked.values()
            for rows in marked.values()
            for uid in rows.values()
        ]

    def complete(self) -> None:
        """Add the facts to the records and append these to the chain."""
        for record in self.records:
            add_facts(
                record,
                counts=self.counts[record.pk],
                marked=self.marked[record.pk],
                evidence=self.evidence[record.pk],
            )
        chain(self.records)


def _lock(
    policy: Policy, pks: Sequence[int], among: QuerySet, requester: Requester
) -> tuple[dict[int, uuid.UUID], dict[int, Erasure], dict[int, Erasure]]:
    """Lock the persons, then the subjects, each in the order of keys.

    Returns the random identifiers of the subjects, the records of the subjects, and the records
    that the persons are erased with.
    """
    step = policy.subject or "pk"
    rows = among.filter(pk__in=in_keys(pks))
    persons: dict[int, bool] = {}
    if step != "pk":
        parent = registry.get(_person(policy))
        named = set(rows.exclude(**{step: None}).values_list(step, flat=True))
        found = _unlocked(parent.model._base_manager.filter(pk__in=in_keys(named)))
        persons = {
            pk: mark is None and parent.erased_with_last == policy.label
            for pk, mark in found.values_list("pk", parent.mark)
        }
        rows = rows.filter(Q(**{step: None}) | Q(**{f"{step}__in": in_keys(persons)}))
    locked = list(_unlocked(rows).values_list("pk", "uid", step))
    # The holds are read after the locks: setting a hold waits for them.
    if Hold.objects.exists():
        kept = held.held_among(policy.model, [pk for pk, _uid, _named in locked])
        locked = [row for row in locked if row[0] not in kept]
    uids = {pk: uid for pk, uid, _named in locked}
    records = new_records(policy.label, len(uids), requester)
    taken = dict(zip(uids, records, strict=True))
    last = {person: taken[pk] for pk, _uid, person in locked if persons.get(person)}
    return uids, taken, _without_others(policy, step, last, taken)


def _person(policy: Policy) -> Any:
    return policy.fields[policy.subject or ""].related_model


def _unlocked(rows: QuerySet) -> QuerySet:
    """Lock the rows in the order of keys, except those that another transaction has locked."""
    return rows.select_for_update(skip_locked=True).order_by("pk")


def _without_others(
    policy: Policy, step: str, last: dict[int, Erasure], taken: _Owners
) -> dict[int, Erasure]:
    """Return the persons that no row outside the batch references."""
    if not last:
        return {}
    others = policy.model._base_manager.filter(**{step: OuterRef("pk")}).exclude(
        pk__in=in_keys(taken)
    )
    going = _person(policy)._base_manager.filter(~Exists(others), pk__in=in_keys(last))
    return {person: last[person] for person in going.values_list("pk", flat=True)}


def _parts(policy: Policy, taken: _Owners, parents: _Owners) -> Iterator[_Part]:
    """Yield the rows to be erased, those with the longest path first.

    First the rows of the subjects, then the rows that only belong to the persons.
    """
    for path, part in registry.reaching(policy.model):
        if part.delete or part.erase:
            yield _Part(part, path, taken)
    if parents:
        for path, part in registry.reaching(_person(policy)):
            if (part.delete or part.erase) and part.path_to(policy.model) is None:
                yield _Part(part, path, parents)


def _count(part: _Part, acts: _Acts, *, locked: Mapping[str, Mapping[int, uuid.UUID]]) -> int:
    """Count the rows of each act, note those that have a mark, and return the total.

    ``locked`` has, by model label, the random identifiers that were read under the locks.
    """
    label, path = part.policy.label, part.path or "pk"
    counts = dict.fromkeys(part.owners, 0)
    if part.policy.mark:
        for pk, uid, owner in _marked(part, locked):
            acts.marked[part.owners[owner].pk].setdefault(label, {})[pk] = uid
            counts[owner] += 1
    else:
        by_owner = part.rows().order_by().values_list(path).annotate(Count("pk"))
        counts |= dict(by_owner)
    for owner, count in counts.items():
        acts.counts[part.owners[owner].pk][label] = count
    return sum(counts.values())


def _marked(
    part: _Part, locked: Mapping[str, Mapping[int, uuid.UUID]]
) -> list[tuple[int, uuid.UUID, int]]:
    """Return key, random identifier and owner of each row with a mark.

    The subjects own themselves and are not read again. The label decides, never the keys: a person
    may have the same key as a session.
    """
    if part.policy.label in locked:
        return [(pk, uid, pk) for pk, uid in locked[part.policy.label].items()]
    return list(part.rows().order_by("pk").values_list("pk", "uid", part.path or "pk"))


def _add_evidence(policy: Policy, taken: _Owners, acts: _Acts) -> None:
    """Note what the remaining rows of each act prove, see ``Policy.evidence``."""
    for path, part in registry.reaching(policy.model):
        if part.evidence:
            rows = part.rows_of_all(in_keys(taken), path).order_by()
            for owner, *values in rows.values_list(path, *part.evidence.lookups).distinct():
                acts.evidence[taken[owner].pk].append((part.label, *values))


def _with_owner(part: _Part, name: str) -> list[tuple[Any, int]]:
    """Return a field of each row with the key of its owner."""
    if name == "pk" and not part.path:
        return [(pk, pk) for pk in part.owners]
    return list(part.rows().order_by("pk").values_list(name, part.path or "pk"))


def _erase(part: _Part) -> int:
    """Delete the rows or clear their fields, in one statement; return the number of changed rows.

    Queues the stored files of the rows first.
    """
    _queue_files(part)
    policy = part.policy
    if policy.delete:
        _total, by_model = part.rows().delete()
        return sum(by_model.values())
    return _empty(part)


def _queue_files(part: _Part) -> None:
    for name in part.policy.file_fields:
        queued = [
            FileDeletion(erasure_id=part.owners[owner].pk, name=stored)
            for stored, owner in _with_owner(part, name)
            if stored
        ]
        FileDeletion.objects.bulk_create(queued)


def _empty(part: _Part) -> int:
    """Clear the fields of the rows and mark them, in one UPDATE; return the number of rows."""
    policy, values = part.policy, part.policy.erased_values()
    if policy.sharing:
        keys = [pk for pk, _owner in _with_owner(part, "pk")]
        values = policy.erased_values(in_keys(policy.sharing(keys)))
    if policy.mark:
        values[policy.mark] = period_of(next(iter(part.owners.values())).day)
    return part.rows().update(**values)


def _adopt_uploads(records: Mapping[uuid.UUID, Erasure]) -> bool:
    """Assign unfinished uploads of these subjects to their records; return whether there are any."""
    uploads: list[Any] = list(
        FileDeletion.objects.filter(erasure=None, subject__in=in_keys(records, "uuid"))
    )
    for upload in uploads:
        upload.erasure_id = records[upload.subject].pk
    FileDeletion.objects.bulk_update(uploads, ["erasure"])
    return bool(uploads)


#: The columns that differ between the records of a batch, with their types on PostgreSQL.
_OWN = {
    "id": "uuid",
    "number": "bigint",
    "subjects": "jsonb",
    "facts": "text",
    "previous": "text",
    "hash": "text",
    "rows": "integer",
    "salt": "text",
    "counts": "jsonb",
    "evidence": "jsonb",
}


def _insert(erasures: list[Erasure]) -> None:
    """Store the records.

    Django's ``bulk_create`` would take longer than the rest of the erasure.
    """
    fields: dict[str, Any] = {
        f.attname: f for f in Erasure._meta.concrete_fields if f.attname not in _OWN
    }
    shared = [
        f.get_db_prep_save(getattr(erasures[0], name), connection) for name, f in fields.items()
    ]
    source, rows = as_rows("batch", map(attrgetter(*_OWN), erasures), columns=_OWN)
    columns = ", ".join(f'"{column}"' for column in [*_OWN, *(f.column for f in fields.values())])
    selected = ", ".join([*_OWN, *["%s"] * len(shared)])
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{Erasure._meta.db_table}" ({columns}) SELECT {selected} FROM {source}',  # noqa: S608
            [*shared, rows],
        )
