"""The registry of what is personal and how it is erased: the record of processing (GDPR Art. 30) as code.

Each app declares its models in ``<app>/erasure.py``, as it declares admin pages in ``admin.py``. Every concrete
field of every installed model is named exactly once: erased, kept (with a reason) or impersonal (with a reason).
``manage.py check`` fails on the first gap (see ``anonymization/checks.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import Case, DateTimeField, Expression, Field, FileField, Model, QuerySet, When
from django.utils.module_loading import autodiscover_modules

from lib.arrays import in_keys


class AlreadyRegistered(Exception):
    """The model has a policy; its place is named."""


class NotRegistered(LookupError):
    """The model has no policy."""


@dataclass(frozen=True)
class KeptIfShared:
    """What a field keeps in rows that share their values (``Policy.sharing``); in the others it becomes NULL.

    ``value`` is an expression over the row.
    """

    value: Any


@dataclass(frozen=True)
class Policy:
    """What happens to the rows of one model when a data subject is erased.

    ``subject`` is the path of lookups from a row to the person: ``""`` is the person itself, ``"session__guest"``
    leads there, ``None`` says that the rows name nobody. ``erase`` maps a field to the value it takes, to a callable
    that returns it (``dict``; always the same one), to an expression over the row (a rounded time), or to
    ``KeptIfShared`` of one.
    """

    label: str
    declared_in: str
    subject: str | None = None
    delete: bool = False
    erase: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    impersonal: Mapping[str, str] = field(default_factory=dict)
    #: The DateTimeField that says "this row is anonymized"; the database then refuses to put identity back.
    mark: str = ""
    #: The foreign key to the record of the erasure.
    record: str = ""
    #: A model (label) whose last row of this subject takes the subject with it.
    erased_with_last: str = ""
    #: What of an emptied row may be known from elsewhere, by name and as an expression; ``day`` is when it was.
    guessable: Mapping[str, Any] = field(default_factory=dict)
    #: Returns those of the primary keys whose rows enough others are like, so that they may keep more.
    sharing: Callable[[Collection[int]], Collection[int]] | None = None
    #: Rows are never changed or deleted, not even by SQL.
    append_only: bool = False
    #: Says in words what rows that stay prove, for the record of an erasure.
    evidence: Callable[[QuerySet], Iterable[str]] | None = None

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
        """Return field → value or expression, fresh for each use.

        ``sharing`` are the keys of the rows that share their values, as an ``__in`` lookup takes them; None has none.
        """
        return {name: _erased_value(value, sharing) for name, value in self.erase.items()}

    @cached_property
    def compiled(self) -> dict[Any, Any]:
        """What the engine has compiled of this policy."""
        return {}

    @property
    def remaining(self) -> list[str]:
        """Return the fields that an emptied row still tells something by."""
        values = self.erased_values()
        return [*(name for name, value in values.items() if isinstance(value, Expression)), *self.keep]

    @cached_property
    def rounded(self) -> frozenset[str]:
        """Return the times that an erasure makes coarser and does not clear."""
        values = self.erased_values()
        return frozenset(
            name
            for name, value in values.items()
            if isinstance(value, Expression) and isinstance(self.fields[name], DateTimeField)
        )

    def path_to(self, root: type[Model]) -> str | None:
        """Return the path from a row to ``root``, as far as the declared path to the person passes it.

        A message's path ``session__guest`` gives ``session`` for a session and ``session__guest`` for a guest;
        a guest's own path gives None for a session.
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
        """Return the rows that ``path`` joins to a loaded subject, as nested subqueries.

        A subquery over the first foreign key costs what hand-written SQL costs; a join in an UPDATE 1.4 times that.
        """
        return self.rows_of_all([subject.pk], path)

    def rows_of_all(self, subjects: Any, path: str) -> QuerySet:
        """Return the rows that ``path`` joins to any of the subjects, given by key as an ``__in`` lookup takes them."""
        return self.model._base_manager.filter(**_condition(self.model, path, subjects))

    def where(self, path: str) -> str:
        """Return the condition of ``rows_of`` as SQL, with a placeholder for the key of the subject.

        It is made at once, while making and compiling a QuerySet may take longer than the statement does.
        """
        return _sql_condition(self.model, path)


def _erased_value(value: Any, sharing: Any) -> Any:
    if isinstance(value, KeptIfShared):
        return Case(When(pk__in=in_keys(()) if sharing is None else sharing, then=value.value), default=None)
    return value() if callable(value) and not isinstance(value, Expression) else value


def _condition(model: type[Model], path: str, pks: Any) -> dict[str, Any]:
    first, _, rest = path.partition("__")
    if not rest:
        return {f"{first or 'pk'}__in": pks}
    related: Any = model._meta.get_field(first).related_model
    return {f"{first}__in": related._base_manager.filter(**_condition(related, rest, pks)).values("pk")}


def _sql_condition(model: type[Model], path: str) -> str:
    first, _, rest = path.partition("__")
    step: Any = model._meta.get_field(first) if first else model._meta.pk
    if not rest:
        return f'"{step.column}" = %s'
    table, pk = step.related_model._meta.db_table, step.related_model._meta.pk.column
    return (
        f'"{step.column}" IN (SELECT "{pk}" FROM "{table}" WHERE {_sql_condition(step.related_model, rest)})'
    )


class Registry:
    """All policies, by model label in lower case."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}

    def register(self, model: type[Model] | str, **declaration: Any) -> Policy:
        """Declare a model, given as class or as label for a model of another package.

        Raises:
            AlreadyRegistered: with the module that registered it first.
        """
        label = model if isinstance(model, str) else model._meta.label
        key = label.lower()
        if key in self._policies:
            raise AlreadyRegistered(f"{label} is registered already, in {self._policies[key].declared_in}.")
        policy = Policy(label=label, declared_in=_caller(), **declaration)
        self._policies[key] = policy
        return policy

    def get(self, model: type[Model]) -> Policy:
        """Return the policy of a model.

        Raises:
            NotRegistered: nobody declared it.
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
        """Return (path, policy) of every model with rows of such a subject, the farthest first, the root last."""
        found = [(policy.path_to(root), policy) for policy in self]
        return sorted(
            ((path, policy) for path, policy in found if path is not None),
            key=lambda item: (-len([s for s in item[0].split("__") if s]), item[1].label),
        )


def _caller() -> str:
    import inspect

    frame = inspect.stack()[2]
    return str(frame.frame.f_globals.get("__name__", frame.filename))


registry = Registry()
register: Callable[..., Policy] = registry.register


def autodiscover() -> None:
    """Import the ``erasure`` module of every installed app."""
    autodiscover_modules("erasure")
