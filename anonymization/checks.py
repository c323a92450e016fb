"""Check the registry (E001–E008, E012, E016) and the live database (E009–E011, E013–E015).

E001  model without a policy
E002  field neither erased nor kept nor impersonal
E003  field declared more than once
E004  declared field does not exist
E005  reason missing
E006  path to the subject does not end at a model with a mark
E007  model with a mark lacks the field of the mark, or does not erase ``uid``
E008  fields erased or rows deleted without a path to a subject
E009  table in the live database without a model, in any schema, including materialized views
E010  trigger missing, disabled or altered
E011  SQLite connection without secure_delete, recursive_triggers or WAL
E012  file field of deleted rows uses another storage than the one that the engine deletes from
E013  PostgreSQL keeps planner statistics of values that an erasure deletes or clears
E014  anonymized rows have values that the present policy erases
E015  external copy of the ledger exists, but ERASURE_LEDGER_DIR is not set
E016  relation to a data subject, or to a row that is erased with one, without a path to a subject
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import FieldDoesNotExist
from django.core.files.storage import default_storage
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from anonymization import planner, stricter, triggers
from anonymization.ledger import external_copy
from anonymization.models import LedgerState
from anonymization.policy import Policy, Registry, registry

# Tables without a model. Django's table of applied migrations contains names of migrations and
# times only.
UNDECLARED_TABLES = {"django_migrations"}


def check_registry(declared: Registry, models: list[type[Model]]) -> Iterator[CheckMessage]:
    """Yield an error for each difference between the models and their declarations."""
    for model in models:
        if model not in declared:
            yield _error(model, "E001", f"{model._meta.label} is not declared in any erasure.py.")
            continue
        policy = declared.get(model)
        for check in (_check_fields, _check_reasons, _check_subject):
            yield from check(policy, declared)


def _error(model: type[Model], code: str, message: str) -> Error:
    return Error(message, obj=model, id=f"anonymization.{code}")


def _check_fields(policy: Policy, _declared: Registry) -> Iterator[CheckMessage]:
    named = Counter([*policy.erase, *policy.keep, *policy.impersonal])
    named.update(name for name in (policy.mark,) if name)
    for name, times in named.items():
        if name not in policy.fields:
            yield _error(
                policy.model, "E004", f"{policy.label}.{name} is declared but does not exist."
            )
        if times > 1:
            yield _error(policy.model, "E003", f"{policy.label}.{name} is declared more than once.")
    for name in policy.file_fields:
        if policy.delete and policy.model._meta.get_field(name).storage is not default_storage:  # type: ignore[union-attr]
            yield _error(
                policy.model, "E012", f"{policy.label}.{name} is not in the default storage."
            )
    if not policy.delete:
        for name in policy.fields.keys() - named.keys():
            yield _error(policy.model, "E002", f"{policy.label}.{name} is neither erased nor kept.")


def _check_reasons(policy: Policy, _declared: Registry) -> Iterator[CheckMessage]:
    for name, reason in [*policy.keep.items(), *policy.impersonal.items()]:
        if not isinstance(reason, str) or not reason.strip():
            yield _error(policy.model, "E005", f"{policy.label}.{name} is kept without a reason.")


def _check_subject(policy: Policy, declared: Registry) -> Iterator[CheckMessage]:
    if policy.subject is None:
        if (policy.erase or policy.delete or policy.mark) and not policy.by_uid:
            message = f"{policy.label} erases something but names no subject."
            yield _error(policy.model, "E008", message)
        yield from _check_relations(policy, declared)
        return
    end = _end_of_path(policy)
    if end is None or end not in declared or not declared.get(end).mark:
        message = f"{policy.label}: the path {policy.subject!r} does not lead to a data subject."
        yield _error(policy.model, "E006", message)
    if policy.mark and not ({policy.mark} <= policy.fields.keys() and "uid" in policy.erase):
        message = f"{policy.label} carries a mark but lacks {policy.mark}, or does not erase uid."
        yield _error(policy.model, "E007", message)


def _check_relations(policy: Policy, declared: Registry) -> Iterator[CheckMessage]:
    """Find a table that is declared impersonal and yet tells something about a person."""
    for name, field in policy.fields.items():
        target: Any = field.related_model
        if target is not None and target in declared and declared.get(target).subject is not None:
            message = (
                f"{policy.label}.{name} refers to {declared.get(target).label}, which is erased with"
                " a data subject, but the policy names no subject."
            )
            yield _error(policy.model, "E016", message)


def _end_of_path(policy: Policy) -> type[Model] | None:
    model: Any = policy.model
    try:
        for step in filter(None, (policy.subject or "").split("__")):
            model = model._meta.get_field(step).related_model
    except (FieldDoesNotExist, AttributeError):
        return None
    return model


@register(Tags.models)
def check_policies(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    return list(check_registry(registry, apps.get_models(include_auto_created=True)))


@register(Tags.database)
def check_database(
    app_configs: Any, *, databases: Any = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Check the live database.

    Runs in ``check --database default``, in ``migrate`` and in ``/readyz``.
    """
    return [
        message
        for alias in databases or []
        for check in (
            _check_tables,
            _check_triggers,
            _check_planner,
            _check_sqlite,
            _check_copy,
        )
        for message in check(connections[alias])
    ]


@register(Tags.database)
def check_anonymized_rows(
    app_configs: Any, *, databases: Any = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Check that anonymized rows have no value that the present policy erases.

    Reads all anonymized rows once. It is therefore not part of ``/readyz``.
    """
    return [
        Error(
            f"{gap.name}: anonymized rows have values that the present policy erases.",
            hint="Run manage.py apply_stricter_policy.",
            id="anonymization.E014",
        )
        for gap in (stricter.gaps() if DEFAULT_DB_ALIAS in (databases or []) else [])
    ]


def _check_tables(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    declared = {
        m._meta.db_table for m in apps.get_models(include_auto_created=True)
    } | UNDECLARED_TABLES
    for table in sorted(tables(connection) - declared):
        yield Error(
            f"The table {table} is in the database but no model declares it.",
            hint="Drop it, or declare its model in an erasure.py: it may hold personal data.",
            id="anonymization.E009",
        )


def tables(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of all relations that store rows.

    On PostgreSQL this includes every schema, partitions and materialized views.
    """
    if connection.vendor != "postgresql":
        return set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname || '.' END || c.relname "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        )
        return {name for (name,) in cursor.fetchall()}


def _check_triggers(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    for name in triggers.missing(connection):
        yield Error(
            f"The trigger {name} is missing or altered.",
            hint="Run manage.py migrate, which makes it again.",
            id="anonymization.E010",
        )


def _check_planner(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    for table, column, _kind in planner.remembered(connection):
        yield Error(
            f"ANALYZE keeps values of {table}.{column}, which an erasure deletes or clears.",
            hint="Run manage.py migrate, which forgets them and switches its statistics off.",
            id="anonymization.E013",
        )


def _check_copy(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if external_copy.file_of() is not None or not _has_table(connection, LedgerState):
        return
    if LedgerState.copy_exists():
        yield Error(
            "An external copy of the erasure ledger exists, but ERASURE_LEDGER_DIR is not set.",
            hint="Set it for each process. To give up the copy, run manage.py end_ledger_copy.",
            id="anonymization.E015",
        )


def _has_table(connection: BaseDatabaseWrapper, model: type[Model]) -> bool:
    """Return whether the table exists. A check may run before the migration that creates it."""
    return model._meta.db_table in connection.introspection.table_names()


def _check_sqlite(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if connection.vendor != "sqlite":
        return
    accepted: dict[str, Callable[[Any], bool]] = {
        "secure_delete": lambda value: value == 1,
        "recursive_triggers": lambda value: value == 1,
        # An in-memory database, which the tests use, has no write-ahead log.
        "journal_mode": lambda value: value in {"wal", "memory"},
    }
    with connection.cursor() as cursor:
        for pragma, is_safe in accepted.items():
            cursor.execute(f"PRAGMA {pragma}")
            if not is_safe(cursor.fetchone()[0]):
                message = (
                    f"The SQLite connection does not run with {pragma} as settings.py asks for."
                )
                yield Error(message, id="anonymization.E011")
