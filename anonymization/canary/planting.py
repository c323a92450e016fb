"""Plant canaries directly in columns, bypassing the services.

Every column that the registry connects to the subject is planted. One row of each table is planted,
the newest. Texts, JSON, addresses, bytes and stored files receive canaries. Times and durations
receive odd values that rounding always changes, and booleans a value that an erasure changes. The
type and length of a column and the triggers of the database are respected.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from django.core.files.base import ContentFile
from django.db import models
from django.db.models import Field, Model
from django.utils import timezone

from anonymization.canary.values import LENGTH, Canaries
from anonymization.policy import Policy, registry

# DateTimeField is a subclass of DateField.
_TIMES = (models.DateField, models.TimeField, models.DurationField)
_WITH_CANARY = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.BinaryField,
    models.FileField,
    models.GenericIPAddressField,
)


@dataclass(frozen=True)
class Kept:
    """A canary that may remain where it was planted, with the reason in the registry."""

    label: str
    column: str
    reason: str


@dataclass(frozen=True)
class Planted:
    """One planted row, with the values that must differ after the erasure if the row still exists.

    ``values`` are those without a canary: foreign keys, times, choices, and the primary key of a
    row that is deleted.
    """

    policy: Policy
    pk: int
    values: dict[str, Any]

    def unchanged(self) -> list[str]:
        """Return the names of the fields that still have the planted value."""
        now = self.policy.model._base_manager.filter(pk=self.pk).values(*self.values).first() or {}
        return [name for name, value in now.items() if value == self.values[name]]


def label_of(policy: Policy, name: str) -> str:
    return f"{policy.label}.{name}"


def columns(model: type[Model]) -> Iterator[tuple[Policy, Field]]:
    """Yield the columns that can receive a canary or an odd value."""
    for _path, policy in registry.reaching(model):
        yield from ((policy, field) for field in policy.fields.values() if takes(policy, field))


def left_out(model: type[Model], *, choices: bool) -> list[str]:
    """Return the columns that could contain text but are not planted, with the reason."""
    return [
        f"{label_of(policy, name)} ({'the database refuses changes' if policy.append_only else why})"
        for _path, policy in registry.reaching(model)
        for name, field in policy.fields.items()
        if isinstance(field, _WITH_CANARY) and not takes(policy, field)
        if (why := _why_not(policy, field, choices=choices))
    ]


def _why_not(policy: Policy, field: Field, *, choices: bool) -> str:
    if not field.choices:
        return "too short for a value that exists nowhere else"
    return "" if choices and not _stays(policy, field.name) else "one of a few words"


def takes(policy: Policy, field: Field) -> bool:
    """Return whether a column can receive a value.

    A column with choices has no space for a canary. A kept time is not planted, because it may
    remain. A value that only an erasure may clear is not planted, because the row could not be
    deleted if the erasure is refused.
    """
    if policy.append_only or field.choices or field.name == policy.mark:
        return False
    if field.name in policy.cleared_with_mark:
        return False
    if isinstance(field, (*_TIMES, models.BooleanField)):
        return not _stays(policy, field.name)
    if isinstance(field, models.CharField) and (field.max_length or LENGTH) < LENGTH:
        return False
    return isinstance(field, _WITH_CANARY)


def _stays(policy: Policy, name: str) -> bool:
    return name in policy.keep or name in policy.impersonal


def plant(subject: Model, canaries: Canaries, *, choices: bool) -> tuple[list[Planted], list[Kept]]:
    """Plant the newest row of each table that belongs to the subject.

    With ``choices``, erased columns with choices, for example a status, receive another choice, and
    empty foreign keys are set. Do not use ``choices`` on an installation in use.
    """
    planted, kept = [], []
    for path, policy in registry.reaching(type(subject)):
        row: Any = policy.rows_of(subject, path).order_by("-pk").first()
        if row is None or policy.append_only:
            continue
        fields = [field for field in policy.fields.values() if takes(policy, field)]
        values = {field.name: _value(policy, field, row, canaries) for field in fields}
        if choices:
            values |= _other_words(policy, row) | _links(policy, row)
        policy.model._base_manager.filter(pk=row.pk).update(**values)
        planted.append(_remember(policy, row.pk, choices=choices))
        kept += [
            Kept(label_of(policy, f.name), f"{policy.model._meta.db_table}.{f.column}", reason)
            for f in fields
            if (reason := {**policy.keep, **policy.impersonal}.get(f.name))
        ]
    return planted, kept


def _value(policy: Policy, field: Field, row: Any, canaries: Canaries) -> Any:
    label = label_of(policy, field.name)
    if isinstance(field, models.FileField):
        return _store_again(field, row, label, canaries)
    makers: dict[type[Field], Callable[[], Any]] = {
        models.BooleanField: lambda: not policy.erase.get(field.name),
        models.GenericIPAddressField: lambda: canaries.address(label),
        models.JSONField: lambda: {canaries.text(f"{label} (key)"): [canaries.text(label)]},
        models.BinaryField: lambda: canaries.text(label).encode(),
        models.DurationField: _odd_duration,
        models.DateTimeField: lambda: timezone.now() - _odd_duration(),
        models.DateField: lambda: timezone.localdate() - timedelta(days=1 + secrets.randbelow(300)),
        models.TimeField: lambda: (timezone.now() - _odd_duration()).time(),
    }
    make = next((make for kind, make in makers.items() if isinstance(field, kind)), None)
    return make() if make else canaries.text(label)


def _odd_duration() -> timedelta:
    """Return less than a day, with odd microseconds that rounding always changes."""
    return timedelta(microseconds=1 + 2 * secrets.randbelow(43_200 * 10**6))


def _store_again(field: Any, row: Any, label: str, canaries: Canaries) -> str:
    """Replace a stored file by one with a canary in its name and in its content."""
    file = getattr(row, field.name)
    with file.open("rb") as opened:
        content = opened.read()
    folder = PurePosixPath(file.name).parent
    content += canaries.text(f"{label} (content)").encode()
    name: str = field.storage.save(str(folder / canaries.text(label)), ContentFile(content))
    field.storage.delete(file.name)
    return name


def _other_words(policy: Policy, row: Any) -> dict[str, Any]:
    return {
        name: next(word for word, _ in field.flatchoices if word != getattr(row, name))
        for name, field in policy.fields.items()
        if field.choices and not _stays(policy, name)
    }


def _links(policy: Policy, row: Any) -> dict[str, Any]:
    """Return a row for each erased foreign key that is empty, for example a staff member."""
    empty = [
        name for name in policy.erase if policy.fields[name].is_relation and not getattr(row, name)
    ]
    targets: dict[str, Any] = {name: policy.fields[name].related_model for name in empty}
    return {name: model._base_manager.first() for name, model in targets.items()}


def _remember(policy: Policy, pk: int, *, choices: bool) -> Planted:
    """Read the planted row and return the values without a canary that must change."""
    names = [
        name
        for name, field in policy.fields.items()
        if not _stays(policy, name) and name != policy.mark
        if (choices if field.choices else not isinstance(field, _WITH_CANARY))
    ]
    values = policy.model._base_manager.filter(pk=pk).values(*names).get()
    return Planted(
        policy, pk, {name: value for name, value in values.items() if value not in (None, "")}
    )
