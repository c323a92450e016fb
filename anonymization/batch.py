"""Erasure of many subjects at once, for retention: what ``engine.erase`` does for each, by the statements of one.

One transaction for the whole set, in the engine's order of locks: the persons, then the rows, then the ledger's head.
What another transaction holds is left out instead of waited for, so that several runs share the work. Each subject
has a record of its own in the ledger, with its own counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, sql
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from anonymization.engine import NotErasable, OutsideSubject
from anonymization.ledger.chain import subject_of
from anonymization.ledger.recording import Requester, announce, chain, erasing, new_records
from anonymization.models import Erasure, FileDeletion
from anonymization.policy import Policy, registry
from lib.arrays import as_rows, in_keys

#: Primary key → the record to be of the subject that the row goes with.
_Owners = Mapping[int, Erasure]


@dataclass(frozen=True)
class _Part:
    """The rows of one policy; ``path`` leads from them to their owners."""

    policy: Policy
    path: str
    owners: _Owners

    def rows(self) -> QuerySet:
        return self.policy.rows_of_all(in_keys(self.owners), self.path)


def erase_batch(pks: Sequence[int], *, among: QuerySet, requester: Requester) -> list[Erasure]:
    """Erase those rows of ``among`` that have one of the primary keys; return their records, in the order of keys.

    ``among`` is asked again under the lock: what has left it meanwhile is left alone, and so is what another
    transaction holds. A person whose last rows are in the batch goes with the last one of them.

    Raises:
        NotErasable: the model is no data subject, or rows that are locked one by one hang on its own.
        OutsideSubject: a row outside the batch was touched; nothing changed.
        LedgerUnavailable: the external copy of the ledger can't be written; nothing changed.
    """
    policy = registry.get(among.model)
    if [part for _path, part in registry.reaching(policy.model) if part.mark] != [policy]:
        raise NotErasable(_("This guest or session is not stored here."))
    with erasing():
        return _erase_locked(policy, pks, among.filter(**{policy.mark: None}), requester)


def _erase_locked(policy: Policy, pks: Sequence[int], among: QuerySet, requester: Requester) -> list[Erasure]:
    uids, taken, parents = _lock(policy, pks, among, requester)
    records = list(taken.values())
    if not records:
        return []
    counted = [(part, _count(part)) for part in _parts(policy, taken, parents)]
    if connection.vendor == "sqlite":
        # Else it looks for rows that wait for a record through whole tables, once for each record. Nobody waits for
        # the ledger's head: the transaction excludes others anyway.
        _store(records)
    _adopt_uploads({uids[pk]: record for pk, record in taken.items()})
    for part, expected in counted:
        if expected and _erase(part) != expected:
            raise OutsideSubject(
                _(
                    "The erasure would have changed rows that do not belong to this person, so it was "
                    "rolled back."
                )
            )
    if connection.vendor != "sqlite":
        _store(records)
    announce(records)
    return records


def _lock(
    policy: Policy, pks: Sequence[int], among: QuerySet, requester: Requester
) -> tuple[dict[int, uuid.UUID], dict[int, Erasure], dict[int, Erasure]]:
    """Lock the persons, then the subjects, each in the order of keys.

    Returns the random identifiers of the subjects, their records, and the records with which persons go.
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
    uids = {pk: uid for pk, uid, _named in locked}
    records = new_records(policy.label, map(subject_of, uids.values()), requester)
    taken = dict(zip(uids, records, strict=True))
    last = {person: taken[pk] for pk, _uid, person in locked if persons.get(person)}
    return uids, taken, _without_others(policy, step, last, taken)


def _person(policy: Policy) -> Any:
    return policy.fields[policy.subject or ""].related_model


def _unlocked(rows: QuerySet) -> QuerySet:
    """Lock the rows in the order of keys, but for those that another transaction holds."""
    return rows.select_for_update(skip_locked=True).order_by("pk")


def _without_others(
    policy: Policy, step: str, last: dict[int, Erasure], taken: _Owners
) -> dict[int, Erasure]:
    """Return the persons whom no row outside the batch names."""
    if not last:
        return {}
    others = policy.model._base_manager.filter(**{step: OuterRef("pk")}).exclude(pk__in=in_keys(taken))
    going = _person(policy)._base_manager.filter(~Exists(others), pk__in=in_keys(last))
    return {person: last[person] for person in going.values_list("pk", flat=True)}


def _parts(policy: Policy, taken: _Owners, parents: _Owners) -> Iterator[_Part]:
    """Yield what goes, the farthest first: the rows of the subjects, then those that only hang on the persons."""
    for path, part in registry.reaching(policy.model):
        if part.delete or part.erase:
            yield _Part(part, path, taken)
    if parents:
        for path, part in registry.reaching(_person(policy)):
            if (part.delete or part.erase) and part.path_to(policy.model) is None:
                yield _Part(part, path, parents)


def _count(part: _Part) -> int:
    """Count the rows for each subject and note the keys of those that will be emptied; return how many there are."""
    label, path = part.policy.label, part.path or "pk"
    if part.policy.mark:
        for pk, owner in _with_owner(part, "pk"):
            part.owners[owner].shells.setdefault(label, []).append(pk)
        counts = {owner: len(record.shells.get(label, [])) for owner, record in part.owners.items()}
    else:
        by_owner = part.rows().order_by().values_list(path).annotate(Count("pk"))
        counts = dict.fromkeys(part.owners, 0) | dict(by_owner)
    for owner, count in counts.items():
        part.owners[owner].counts[label] = count
    return sum(counts.values())


def _with_owner(part: _Part, name: str) -> list[tuple[Any, int]]:
    """Return a field of each row with the key of its owner."""
    if name == "pk" and not part.path:
        return [(pk, pk) for pk in part.owners]
    return list(part.rows().order_by("pk").values_list(name, part.path or "pk"))


def _erase(part: _Part) -> int:
    """Queue the stored files of the rows, delete or empty these in one statement and return how many it touched."""
    _queue_files(part)
    policy = part.policy
    if policy.delete:
        _total, by_model = part.rows().delete()
        return sum(by_model.values())
    if not policy.mark:
        return part.rows().update(**policy.erased_values())
    return _empty(policy, {pk: part.owners[owner] for pk, owner in _with_owner(part, "pk")})


def _queue_files(part: _Part) -> None:
    for name in part.policy.file_fields:
        queued = [
            FileDeletion(erasure_id=part.owners[owner].pk, name=stored)
            for stored, owner in _with_owner(part, name)
            if stored
        ]
        FileDeletion.objects.bulk_create(queued)


def _empty(policy: Policy, records: Mapping[int, Erasure]) -> int:
    """Empty and mark the rows, each with its own record, by one UPDATE … FROM, which Django has no words for."""
    query: Any = policy.model._base_manager.all().query.chain(sql.UpdateQuery)
    own = {
        policy.mark: next(iter(records.values())).created_at,
        f"{policy.record}_id": RawSQL("batch.record", ()),
    }
    sharing = in_keys(policy.sharing(records)) if policy.sharing else None
    query.add_update_values(policy.erased_values(sharing) | own)
    statement, params = query.get_compiler(connection=connection).as_sql()
    pairs = ((pk, record.pk) for pk, record in records.items())
    source, rows = as_rows("batch", pairs, columns={"pk": "bigint", "record": "uuid"})
    key = f'"{policy.model._meta.db_table}"."{policy.model._meta.pk.column}"'
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} FROM {source} WHERE {key} = batch.pk", [*params, rows])
        return int(cursor.rowcount)


def _adopt_uploads(records: Mapping[uuid.UUID, Erasure]) -> None:
    """Take over the uploads that have begun and not ended, as the engine does for one subject."""
    uploads: list[Any] = list(FileDeletion.objects.filter(erasure=None, subject__in=in_keys(records, "uuid")))
    for upload in uploads:
        upload.erasure_id = records[upload.subject].pk
    FileDeletion.objects.bulk_update(uploads, ["erasure"])


def _store(records: list[Erasure]) -> None:
    chain(records)
    _insert(records)


#: What differs between the records of a batch, with its type on PostgreSQL.
_OWN = {
    "id": "uuid",
    "number": "bigint",
    "subject": "text",
    "previous": "text",
    "hash": "text",
    "counts": "jsonb",
    "shells": "jsonb",
}


def _insert(erasures: list[Erasure]) -> None:
    """Store the records. Django's ``bulk_create`` takes longer over it than all that is erased."""
    fields: dict[str, Any] = {f.attname: f for f in Erasure._meta.concrete_fields if f.attname not in _OWN}
    shared = [f.get_db_prep_save(getattr(erasures[0], name), connection) for name, f in fields.items()]
    source, rows = as_rows("batch", map(attrgetter(*_OWN), erasures), columns=_OWN)
    columns = ", ".join(f'"{column}"' for column in [*_OWN, *(f.column for f in fields.values())])
    selected = ", ".join([*_OWN, *["%s"] * len(shared)])
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{Erasure._meta.db_table}" ({columns}) SELECT {selected} FROM {source}',  # noqa: S608
            [*shared, rows],
        )
