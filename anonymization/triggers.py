"""Create the database triggers that enforce three rules for every writer.

- *Append-only* tables refuse UPDATE, DELETE, TRUNCATE and a replacing INSERT.
- *Sealed* rows, which have the mark of an anonymization, refuse personal data. A row can be marked
  only if every erased field is cleared and the record is set. Afterwards no field can be changed,
  no other row can replace it, and no row with personal data can reference it. Some fields can be
  cleared only together with the mark.
- *Held* rows, on which a legal hold rests, cannot be marked or deleted, nor can rows of their
  content be deleted.

The triggers are created from the registry after every ``migrate``, because SQLite drops the
triggers of a table that a migration rebuilds. They are dropped before ``migrate``, because SQLite
cannot rename a table that another table's trigger reads. A refused statement raises
``IntegrityError`` on both databases (SQLSTATE 23514 on PostgreSQL).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model, UniqueConstraint

from anonymization import periods
from anonymization.models import Hold
from anonymization.policy import Policy, registry

PREFIX = "mluvii_gdpr_"
#: ``pg_trigger.tgtype`` by event. Bit 2, BEFORE, and bit 1, FOR EACH ROW, are added later.
_TGTYPE = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
#: A constant that both databases accept.
_FALSE = "1 = 0"
#: The search path of our functions on PostgreSQL. A temporary table must not hide the table that a
#: trigger reads.
_SEARCH_PATH = "quote_ident(current_schema()) || ', pg_temp'"


@dataclass(frozen=True)
class Trigger:
    """One rule: ``event`` on ``table`` is refused if the SQL condition ``when`` is true.

    ``first`` is evaluated before ``when``. PostgreSQL starts a query for a condition that reads a
    table, even if the result is not needed.
    """

    table: str
    name: str
    event: str
    message: str
    when: str = ""
    first: str = ""
    for_each: str = "ROW"
    #: For a trigger after the whole statement on PostgreSQL: the table of the deleted rows, by which
    #: ``when`` names them. A query for each of many rows would triple the cost of their deletion.
    deleted: str = ""

    def create(self, vendor: str, search_path: str) -> list[str]:
        """Return the SQL statements that create the trigger."""
        if vendor == "sqlite":
            return [self.definition(vendor)]
        name = f'"{self.name}"'
        return [
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = {search_path} "
            f"AS $body${self.definition(vendor)}$body$",
            f'CREATE TRIGGER {name} {self._time} {self.event} ON "{self.table}" '
            f"{self._referencing}FOR EACH {self.for_each} EXECUTE FUNCTION {name}()",
        ]

    @property
    def _time(self) -> str:
        return "AFTER" if self.deleted else "BEFORE"

    @property
    def _referencing(self) -> str:
        return f"REFERENCING OLD TABLE AS {self.deleted} " if self.deleted else ""

    @property
    def _type(self) -> int:
        """Return ``pg_trigger.tgtype``."""
        before = 0 if self.deleted else 2
        return before | _TGTYPE[self.event] | (self.for_each == "ROW")

    def definition(self, vendor: str) -> str:
        """Return the text that the database stores.

        That is the whole statement on SQLite, and the body of the function on PostgreSQL.
        """
        if vendor == "sqlite":
            conditions = " AND ".join(f"({part})" for part in (self.first, self.when) if part)
            when = f" WHEN {conditions}" if conditions else ""
            return (
                f'CREATE TRIGGER "{self.name}" BEFORE {self.event} ON "{self.table}" FOR EACH ROW{when} '
                f"BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
            )
        body = f"RAISE EXCEPTION '{self.message}' USING ERRCODE = '23514';"
        for condition in filter(None, (self.when, self.first)):
            body = f"IF {condition} THEN {body} END IF;"
        result = "OLD" if self.event == "DELETE" else "NEW"
        return f"BEGIN {body} RETURN {result}; END"

    def as_kept(self, vendor: str) -> str:
        """Return what ``_standing`` reads for this trigger if it is enabled and unaltered."""
        if vendor == "sqlite":
            return self.definition(vendor)
        return f"{self._type} {self.table} {self.definition(vendor)}"

    def drop(self, vendor: str) -> str:
        if vendor == "sqlite":
            return f'DROP TRIGGER IF EXISTS "{self.name}"'
        return f'DROP FUNCTION IF EXISTS "{self.name}"() CASCADE'


def expected(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """Return the triggers that the registry requires."""
    policies = existing(connection)
    found = [trigger for policy in policies for trigger in _triggers_for(policy, connection)]
    if Hold in {policy.model for policy in policies}:
        found += [
            trigger for policy in policies for trigger in _guards_of_held(policy, connection.vendor)
        ]
    return found


def existing(connection: BaseDatabaseWrapper) -> list[Policy]:
    """Return the policies whose table exists with all of its columns."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        return [
            policy
            for policy in registry
            if policy.model._meta.db_table in tables and _columns_stand(connection, cursor, policy)
        ]


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that are absent, disabled, or not what the registry requires."""
    standing = _standing(connection)
    return [
        t.name for t in expected(connection) if standing.get(t.name) != t.as_kept(connection.vendor)
    ]


def install(connection: BaseDatabaseWrapper) -> None:
    """Drop all existing triggers and create those that the registry requires."""
    drop(connection)
    with connection.cursor() as cursor:
        for statement in statements(connection):
            cursor.execute(statement)


def statements(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the SQL statements that create the triggers that the registry requires."""
    search_path = ""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {_SEARCH_PATH}")
            search_path = cursor.fetchone()[0]
    made = (trigger.create(connection.vendor, search_path) for trigger in expected(connection))
    return [statement for of_one in made for statement in of_one]


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop all triggers of this product. The tables are not protected until ``install``."""
    with connection.cursor() as cursor:
        for name in _standing(connection):
            cursor.execute(Trigger("", name, "", "").drop(connection.vendor))


def before_migrate(using: str, plan: list | None = None, **_kwargs: Any) -> None:
    """Drop the triggers on SQLite if a migration will run."""
    if plan and connections[using].vendor == "sqlite":
        drop(connections[using])


def after_migrate(using: str, **_kwargs: Any) -> None:
    """Create the triggers unless all of them exist and are unaltered."""
    if missing(connections[using]):
        install(connections[using])


def _standing(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return name → definition of the existing triggers of this product.

    The definition of a disabled trigger is empty on PostgreSQL.
    """
    if connection.vendor == "sqlite":
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s"
    else:
        # Event, time and table of the trigger, and the body of the function. The text is empty if
        # the trigger is disabled or its function has another search path.
        sql = (
            "SELECT t.tgname, CASE WHEN t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL "
            f"AND p.proconfig = ARRAY['search_path=' || {_SEARCH_PATH}] "
            "THEN t.tgtype || ' ' || c.relname || ' ' || p.prosrc ELSE '' END "
            "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND substr(t.tgname, 1, %s) = %s"
        )
    with connection.cursor() as cursor:
        cursor.execute(sql, [len(PREFIX), PREFIX])
        return dict(cursor.fetchall())


def _columns_stand(connection: BaseDatabaseWrapper, cursor: Any, policy: Policy) -> bool:
    """Return whether the table has all columns. Between two migrations it may not."""
    # Not introspection.get_table_description: on SQLite it parses the SQL of the table, which took
    # most of the time of this check.
    table = connection.ops.quote_name(policy.model._meta.db_table)
    cursor.execute(f"SELECT * FROM {table} LIMIT 0")
    columns = {column[0] for column in cursor.description}
    return {f.column for f in policy.fields.values()} <= columns


def _triggers_for(policy: Policy, connection: BaseDatabaseWrapper) -> Iterator[Trigger]:
    if policy.append_only:
        yield from _append_only(policy, connection)
    if policy.mark:
        yield from _sealed(policy, connection)
        yield from _not_cleared_before_sealed(policy, connection.vendor)
    if policy.mark or policy.delete:
        yield from _no_row_at_sealed(policy, connection.vendor)


def _changes_more(policy: Policy, connection: BaseDatabaseWrapper) -> str:
    """Return the SQL condition that an UPDATE does more than to forget ``policy.forgettable``.

    Empty if nothing may be forgotten: any UPDATE is then refused.
    """
    if not policy.forgettable:
        return ""
    differs = _differs(connection.vendor)
    changes = []
    for name, model_field in policy.fields.items():
        changed = f'NEW."{model_field.column}" {differs} OLD."{model_field.column}"'
        if name in policy.forgettable:
            given = policy.forgettable[name]
            value = _literal(model_field, given() if callable(given) else given, connection)
            changed = f'{changed} AND NEW."{model_field.column}" {differs} {value}'
        changes.append(f"({changed})")
    return " OR ".join(changes)


def _append_only(policy: Policy, connection: BaseDatabaseWrapper) -> Iterator[Trigger]:
    table, vendor = policy.model._meta.db_table, connection.vendor
    message = f"{policy.label} is append-only"
    yield Trigger(
        table, f"{PREFIX}{table}_update", "UPDATE", message, _changes_more(policy, connection)
    )
    yield Trigger(
        table, f"{PREFIX}{table}_delete", "DELETE", message, _is_the_only_one_of_its_range(policy)
    )
    if vendor == "postgresql":
        yield Trigger(table, f"{PREFIX}{table}_truncate", "TRUNCATE", message, for_each="STATEMENT")
    else:
        # INSERT OR REPLACE does not fire DELETE triggers, unless the connection has the pragma
        # recursive_triggers.
        yield Trigger(
            table, f"{PREFIX}{table}_replace", "INSERT", message, when=_same_key(policy.model)
        )


def _is_the_only_one_of_its_range(policy: Policy) -> str:
    """Return the SQL condition that no other row covers the range of a deleted row.

    Empty if rows have no range: any DELETE is then refused.
    """
    if not policy.covered_by:
        return ""
    table, pk = policy.model._meta.db_table, policy.model._meta.pk.column
    first, last = (f'"{policy.fields[name].column}"' for name in policy.covered_by)
    return (
        f'NOT EXISTS (SELECT 1 FROM "{table}" WHERE "{pk}" <> OLD."{pk}" '
        f"AND {first} <= OLD.{first} AND {last} >= OLD.{last})"
    )


def _unique_keys(model: type[Model]) -> list[list[str]]:
    """Return the columns of the primary key and of each other unique key."""
    fields: dict[str, Any] = {f.name: f for f in model._meta.concrete_fields}
    keys = [[f.column] for f in fields.values() if f.unique]
    return keys + [
        [fields[name].column for name in c.fields]
        for c in model._meta.constraints
        if isinstance(c, UniqueConstraint) and c.condition is None
    ]


def _same_key(model: type[Model], also: str = "") -> str:
    """Return the SQL condition that a row with a unique key of the new row exists.

    ``also`` is a further condition for the existing row.
    """
    keys = _unique_keys(model)
    rows = " OR ".join("(" + " AND ".join(f'"{c}" = NEW."{c}"' for c in key) + ")" for key in keys)
    return f'EXISTS (SELECT 1 FROM "{model._meta.db_table}" WHERE ({rows}){also})'


def _sealed(policy: Policy, connection: BaseDatabaseWrapper) -> Iterator[Trigger]:
    table = policy.model._meta.db_table
    mark = f'"{policy.fields[policy.mark].column}"'
    message = f"{policy.label} is anonymized"
    differs = _differs(connection.vendor)
    emptied = _emptied_columns(policy, connection)
    holds_identity = " OR ".join(
        f'NEW."{column}" {differs} {value}' for column, value in emptied.items()
    )
    sealed_before = f"OLD.{mark} IS NOT NULL"
    changes = " OR ".join(f"({change})" for change in _refused_changes(policy, connection))
    yield Trigger(
        table,
        f"{PREFIX}{table}_seal_insert",
        "INSERT",
        message,
        f"NEW.{mark} IS NOT NULL AND ({holds_identity})",
    )
    yield Trigger(
        table,
        f"{PREFIX}{table}_seal_update",
        "UPDATE",
        message,
        f"(OLD.{mark} IS NULL AND NEW.{mark} IS NOT NULL AND ({holds_identity})) "
        f"OR ({sealed_before} AND ({changes}))",
    )
    yield Trigger(table, f"{PREFIX}{table}_seal_delete", "DELETE", message, sealed_before)
    if connection.vendor == "sqlite":
        # REPLACE does not fire DELETE triggers, see above. It would silently replace the sealed
        # row.
        taken = _same_key(policy.model, also=f" AND {mark} IS NOT NULL")
        columns = {column for key in _unique_keys(policy.model) for column in key}
        moved = " OR ".join(
            f'NEW."{column}" {differs} OLD."{column}"' for column in sorted(columns)
        )
        yield Trigger(table, f"{PREFIX}{table}_seal_replace", "INSERT", message, taken)
        yield Trigger(table, f"{PREFIX}{table}_seal_move", "UPDATE", message, taken, first=moved)


def _not_cleared_before_sealed(policy: Policy, vendor: str) -> Iterator[Trigger]:
    """Yield triggers that refuse to clear a field unless the same statement sets the mark.

    They also refuse to delete or replace such a row, because it could be inserted again without the
    value.
    """
    table = policy.model._meta.db_table
    mark = f'"{policy.fields[policy.mark].column}"'
    for name in policy.cleared_with_mark:
        column = f'"{policy.fields[name].column}"'
        trigger = f"{PREFIX}{table}_{policy.fields[name].column}"
        message = f"{policy.label}: only an anonymization clears {name}"
        cleared = f"OLD.{column} IS NOT NULL AND NEW.{column} IS NULL AND NEW.{mark} IS NULL"
        yield Trigger(table, f"{trigger}_update", "UPDATE", message, cleared)
        yield Trigger(table, f"{trigger}_delete", "DELETE", message, f"OLD.{column} IS NOT NULL")
        if vendor == "sqlite":
            taken = _same_key(policy.model, also=f" AND {column} IS NOT NULL")
            yield Trigger(table, f"{trigger}_replace", "INSERT", message, taken)


def _differs(vendor: str) -> str:
    return "IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM"


def _refused_changes(policy: Policy, connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield a condition for each column: an update changes it in a way that the seal refuses.

    A sealed row may only lose information, so that a stricter policy reaches it: an erased field
    may be set to its constant, and a time or the mark may be cut to a period that contains it.
    """
    differs = _differs(connection.vendor)
    emptied = _emptied_columns(policy, connection)
    for name, model_field in policy.fields.items():
        column = f'"{model_field.column}"'
        changed = f"NEW.{column} {differs} OLD.{column}"
        if model_field.column in emptied:
            yield f"{changed} AND NEW.{column} {differs} {emptied[model_field.column]}"
        elif name == policy.mark or name in policy.rounded:
            starts = periods.starts(model_field, f"OLD.{column}", connection.vendor)
            yield f"{changed} AND NOT coalesce(NEW.{column} IN ({', '.join(starts)}), {_FALSE})"
        else:
            yield changed


def outdated_columns(policy: Policy, connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return the name of each field that is erased to a constant, with an SQL condition.

    The condition is true for an anonymized row that was anonymized before the field was erased.
    """
    columns = {field.column: name for name, field in policy.fields.items()}
    table, differs = policy.model._meta.db_table, _differs(connection.vendor)
    return {
        columns[column]: f'"{table}"."{column}" {differs} {value}'
        for column, value in _emptied_columns(policy, connection).items()
    }


def _emptied_columns(policy: Policy, connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return column → SQL literal of the fields that are erased to a constant.

    Fields that are erased to an expression are left out, because they keep a value.
    """
    fields: dict[str, Any] = policy.fields
    return {
        fields[name].column: _literal(fields[name], value, connection)
        for name, value in policy.erased_values().items()
        if not isinstance(value, Expression)
    }


def _literal(model_field: Field, value: Any, connection: BaseDatabaseWrapper) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return (
            str(int(value))
            if connection.vendor == "sqlite" or not isinstance(value, bool)
            else str(value)
        )
    text = value if isinstance(value, str) else json.dumps(value)
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if isinstance(value, str) or connection.vendor == "sqlite" else f"{quoted}::jsonb"


def _no_row_at_sealed(policy: Policy, vendor: str) -> Iterator[Trigger]:
    """Yield triggers that refuse rows with personal data that reference a sealed row.

    There is a pair for each foreign key to a model with a mark. Rows that have a mark themselves
    leave their parent before it is sealed, and are often changed before. For these rows, only a
    change of the foreign key looks up the parent.
    """
    table = policy.model._meta.db_table
    for model_field in policy.fields.values():
        parent = model_field.related_model
        if not isinstance(parent, type) or parent not in registry or not registry.get(parent).mark:
            continue
        parent_policy = registry.get(parent)
        mark = parent_policy.fields[parent_policy.mark].column
        new = f'NEW."{model_field.column}"'
        sealed = (
            f'EXISTS (SELECT 1 FROM "{parent._meta.db_table}" '
            f'WHERE "{parent._meta.pk.column}" = {new} AND "{mark}" IS NOT NULL)'
        )
        hangs = f"{new} IS NOT NULL"
        moved = (
            f'{hangs} AND {new} {_differs(vendor)} OLD."{model_field.column}"'
            if policy.mark
            else hangs
        )
        message = f"{parent_policy.label} is anonymized"
        name = f"{PREFIX}{table}_{model_field.column}"
        yield Trigger(table, f"{name}_insert", "INSERT", message, sealed, first=hangs)
        yield Trigger(table, f"{name}_update", "UPDATE", message, sealed, first=moved)


def _guards_of_held(policy: Policy, vendor: str) -> Iterator[Trigger]:
    """Yield triggers that refuse to mark or delete a held row, and to delete its content."""
    table = policy.model._meta.db_table
    name, message = f"{PREFIX}{table}_held", f"{policy.label} is under a legal hold"
    if policy.mark:
        mark = f'"{policy.fields[policy.mark].column}"'
        marked = f"OLD.{mark} IS NULL AND NEW.{mark} IS NOT NULL"
        yield Trigger(table, f"{name}_update", "UPDATE", message, _is_held(policy), first=marked)
        yield Trigger(table, f"{name}_delete", "DELETE", message, _is_held(policy))
    elif policy.delete and policy.subject and not policy.transient:
        guard = Trigger(
            table, f"{name}_delete", "DELETE", message, _is_of_held(policy), first=_ANY_HOLD
        )
        if vendor == "postgresql":
            of_deleted = f"EXISTS (SELECT 1 FROM deleted WHERE {_is_of_held(policy, 'deleted')})"
            guard = replace(guard, when=of_deleted, for_each="STATEMENT", deleted="deleted")
        yield guard


_HOLDS = f'"{Hold._meta.db_table}"'
_ANY_HOLD = f'EXISTS (SELECT 1 FROM {_HOLDS} WHERE "released_at" IS NULL)'


def _is_held(policy: Policy, row: str = "OLD") -> str:
    """Return the SQL condition that a hold rests on a row, or on the person that it references."""
    subjects = [f'{row}."uid"']
    if policy.subject:
        step: Any = policy.fields[policy.subject]
        parent = step.related_model._meta
        subjects.append(
            f'(SELECT "uid" FROM "{parent.db_table}" '
            f'WHERE "{parent.pk.column}" = {row}."{step.column}")'
        )
    same = " OR ".join(f'"subject" = {subject}' for subject in subjects)
    return f'EXISTS (SELECT 1 FROM {_HOLDS} WHERE "released_at" IS NULL AND ({same}))'


def _is_of_held(policy: Policy, row: str = "OLD") -> str:
    """Return the SQL condition that the row is content of a held row."""
    step: Any = policy.fields[(policy.subject or "").partition("__")[0]]
    owner = step.related_model._meta
    held = _is_held(registry.get(step.related_model), row="owner")
    return (
        f'EXISTS (SELECT 1 FROM "{owner.db_table}" AS owner '
        f'WHERE owner."{owner.pk.column}" = {row}."{step.column}" AND {held})'
    )
