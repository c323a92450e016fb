"""Define which data is personal and how it is erased.

This is the record of processing (GDPR Art. 30) as code. Each app declares its models in
``<app>/erasure.py``, as it declares admin pages in ``admin.py``. Every concrete field of every
installed model is declared exactly once: erased, kept (with a reason) or impersonal (with a
reason). ``manage.py check`` fails if a field is missing (see ``anonymization/checks.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import (
    Case,
    DateTimeField,
    Expression,
    Field,
    FileField,
    Model,
    QuerySet,
    When,
)
from django.utils.module_loading import autodiscover_modules

from lib.arrays import in_keys


class AlreadyRegistered(Exception):
    """The model already has a policy; the message names the module that declares it."""


class NotRegistered(LookupError):
    """The model has no policy."""


@dataclass(frozen=True)
class KeptIfShared:
    """A value that is kept only if enough rows share it (``Policy.sharing``).

    In the other rows the field becomes NULL. ``value`` is an expression over the row.
    """

    value: Any


@dataclass(frozen=True)
class Evidence:
    """What the rows of a model that remain after an erasure prove.

    ``lookups`` are the values that the record of an erasure keeps of each distinct row: whole
    numbers and ASCII texts that identify nobody. ``in_words`` returns sentences for all of these
    values of one record. Its second argument is the number of rows by model (``Erasure.counts``).
    """

    lookups: tuple[str, ...]
    in_words: Callable[[Sequence[Sequence[Any]], Mapping[str, int]], list[str]]


@dataclass(frozen=True)
class Policy:
    """What happens to the rows of one model when a data subject is erased.

    ``subject`` is the lookup path from a row to the data subject. ``""`` means that the row is the
    data subject, and ``"session__guest"`` is the path through two foreign keys. ``None`` means that
    the rows are about no data subject. ``erase`` maps each field to its new value. This is one of:

    - a constant
    - a callable that returns it, for example ``dict``; it must always return the same value
    - an expression over the row, for example a rounded time
    - ``KeptIfShared`` of such an expression
    """

    label: str
    declared_in: str
    subject: str | None = None
    delete: bool = False
    erase: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    impersonal: Mapping[str, str] = field(default_factory=dict)
    #: The DateField that is set to the first day of the period in which the row is anonymized. The
    #: database then refuses personal data in the row. Nothing else in the row tells the act.
    mark: str = ""
    #: Fields that only the anonymization of the row may set to NULL.
    cleared_with_mark: tuple[str, ...] = ()
    #: The label of a model. The subject is erased together with its last row of this model.
    erased_with_last: str = ""
    #: Values of an anonymized record that another person may know: name → expression. ``day`` is
    #: the time by which the rows of a period are selected.
    guessable: Mapping[str, Any] = field(default_factory=dict)
    #: Returns the primary keys whose rows share their values with enough other rows (see
    #: ``KeptIfShared``).
    sharing: Callable[[Collection[int]], Collection[int]] | None = None
    #: The UUIDField with the random identifier of the data subject that a row is about, instead of
    #: a path of foreign keys. With ``delete`` the row is deleted with that data subject.
    by_uid: str = ""
    #: Rows of a data subject under a legal hold may be deleted too, because they are short-lived.
    transient: bool = False
    #: Rows repeat values of the data subject for a search. They are deleted and never counted: their
    #: number would tell something about the values, and the record of an erasure keeps numbers.
    derived: bool = False
    #: Rows are never changed or deleted, not even with SQL.
    append_only: bool = False
    #: The exceptions from ``append_only``: field → the constant to which it may be set.
    forgettable: Mapping[str, Any] = field(default_factory=dict)
    #: Another exception: a row may be deleted if another row covers its range. These are the fields
    #: of the first and the last number of the range.
    covered_by: tuple[str, str] | None = None
    #: A time field, and how long after this time ``maintain`` deletes the row.
    expires: tuple[str, timedelta] | None = None
    #: What the remaining rows prove, for the record of an erasure.
    evidence: Evidence | None = None

    @cached_property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @cached_property
    def fields(self) -> dict[str, Field]:
        return {f.name: f for f in self.model._meta.concrete_fields}

    @cached_property
    def file_fields(self) -> list[str]:
        return [name for name, f in self.fields.items() if isinstance(f, FileField)]

    def erased_values(self, sharing: Any = None) -> dict[str, Any]:
        """Return field → value or expression, created again for each call.

        ``sharing`` are the keys of the rows that share their values, in a form for an ``__in``
        lookup. None means that no row shares its values.
        """
        return {name: _erased_value(value, sharing) for name, value in self.erase.items()}

    @cached_property
    def compiled(self) -> dict[Any, Any]:
        """The engine's cache of compiled statements for this policy."""
        return {}

    @property
    def remaining(self) -> list[str]:
        """Return the names of the fields that still have information in an anonymized record."""
        values = self.erased_values()
        return [
            *(name for name, value in values.items() if isinstance(value, Expression)),
            *self.keep,
        ]

    @cached_property
    def rounded(self) -> frozenset[str]:
        """Return the names of the time fields that an erasure rounds and does not clear."""
        values = self.erased_values()
        return frozenset(
            name
            for name, value in values.items()
            if isinstance(value, Expression) and isinstance(self.fields[name], DateTimeField)
        )

    def path_to(self, root: type[Model]) -> str | None:
        """Return the lookup path from a row to ``root``, or None.

        ``root`` must be a model on the declared path to the subject. For example, the path
        ``session__guest`` of a message gives ``session`` for a session and ``session__guest`` for a
        guest. The path of a guest gives None for a session.
        """
        if self.subject is None:
            return None
        model: Any = self.model
        walked: list[str] = []
        if model is root:
            return ""
        for step in filter(None, self.subject.split("__")):
            walked.append(step)
            model = model._meta.get_field(step).related_model
            if model is root:
                return "__".join(walked)
        return None

    def rows_of(self, subject: Model, path: str) -> QuerySet:
        """Return the rows that ``path`` connects to a loaded subject, as nested subqueries.

        A subquery over the first foreign key costs as much as hand-written SQL. A join in an UPDATE
        costs 1.4 times as much.
        """
        return self.rows_of_all([subject.pk], path)

    def rows_of_all(self, subjects: Any, path: str) -> QuerySet:
        """Return the rows that ``path`` connects to any of the subjects.

        ``subjects`` are keys in a form for an ``__in`` lookup.
        """
        return self.model._base_manager.filter(**_condition(self.model, path, subjects))

    def where(self, path: str) -> str:
        """Return the condition of ``rows_of`` as SQL, with a placeholder for the subject's key.

        Building and compiling a QuerySet may take longer than the statement itself. This text is
        built immediately.
        """
        return _sql_condition(self.model, path)


def _erased_value(value: Any, sharing: Any) -> Any:
    if isinstance(value, KeptIfShared):
        return Case(
            When(pk__in=in_keys(()) if sharing is None else sharing, then=value.value), default=None
        )
    return value() if callable(value) and not isinstance(value, Expression) else value


def _condition(model: type[Model], path: str, pks: Any) -> dict[str, Any]:
    first, _, rest = path.partition("__")
    if not rest:
        return {f"{first or 'pk'}__in": pks}
    related: Any = model._meta.get_field(first).related_model
    return {
        f"{first}__in": related._base_manager.filter(**_condition(related, rest, pks)).values("pk")
    }


def _sql_condition(model: type[Model], path: str) -> str:
    first, _, rest = path.partition("__")
    step: Any = model._meta.get_field(first) if first else model._meta.pk
    if not rest:
        return f'"{step.column}" = %s'
    table, pk = step.related_model._meta.db_table, step.related_model._meta.pk.column
    return f'"{step.column}" IN (SELECT "{pk}" FROM "{table}" WHERE {_sql_condition(step.related_model, rest)})'


class Registry:
    """All policies, by model label in lower case."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}

    def register(self, model: type[Model] | str, **declaration: Any) -> Policy:
        """Declare the policy of a model.

        A model of another package is given as a label, otherwise as a class.

        Raises:
            AlreadyRegistered: the model has a policy; the message names the module that declares
                it.
        """
        label = model if isinstance(model, str) else model._meta.label
        key = label.lower()
        if key in self._policies:
            raise AlreadyRegistered(
                f"{label} is registered already, in {self._policies[key].declared_in}."
            )
        policy = Policy(label=label, declared_in=_caller(), **declaration)
        self._policies[key] = policy
        return policy

    def get(self, model: type[Model]) -> Policy:
        """Return the policy of a model.

        Raises:
            NotRegistered: the model has no policy.
        """
        try:
            return self._policies[model._meta.label_lower]
        except KeyError:
            raise NotRegistered(f"{model._meta.label} is not declared in any erasure.py.") from None

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._policies.values())

    def __contains__(self, model: type[Model]) -> bool:
        return model._meta.label_lower in self._policies

    def reaching(self, root: type[Model]) -> list[tuple[str, Policy]]:
        """Return (path, policy) of every model with rows of such a subject.

        The model with the longest path is first, the root is last.
        """
        found = [(policy.path_to(root), policy) for policy in self]
        return sorted(
            ((path, policy) for path, policy in found if path is not None),
            key=lambda item: (-len([s for s in item[0].split("__") if s]), item[1].label),
        )


def _caller() -> str:
    """Return the name of the module that called the function that called this one."""
    # Not inspect.stack(): it reads the source of every frame, and took a third of each start.
    return str(sys._getframe(2).f_globals.get("__name__", ""))


registry = Registry()
register: Callable[..., Policy] = registry.register


def autodiscover() -> None:
    """Import the ``erasure`` module of every installed app."""
    autodiscover_modules("erasure")
