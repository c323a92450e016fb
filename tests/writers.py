"""Find the code that writes personal data.

The registry defines which fields and models are personal, so a new field or model is covered
automatically. A writer is *guarded* if it follows a call of ``lock_writable`` in the same function,
within a transaction. It is also guarded in a private function that only guarded places call.

For models whose rows are deleted or whose fields are cleared, these count as writing:

- a new row: a call of the model, ``create`` and similar methods, also of a related manager;
- a new value: ``x.note = …``, ``setattr``, ``update(note=…)``, a stored file,
  ``save(update_fields=["note"])``;
- a form, a serializer, a generic view or an admin page of such a model;
- SQL that names its table, or SQL without a table name.

The search does not know types. A name that is a personal field of any model counts on every object,
except on a model without personal fields. A false alarm gets an exception with a reason, which is
better than a missed writer.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db.models import FileField, Model

from anonymization.policy import Policy, registry

GUARD = "lock_writable"
MAKE = {"create", "bulk_create", "get_or_create", "update_or_create"}
#: Name endings of base classes, and factories of classes, that write rows of their model.
WRITING_BASES = (
    "ModelForm",
    "Serializer",
    "CreateView",
    "UpdateView",
    "Inline",
    "InlineModelAdmin",
    "Admin",
)
FACTORY = re.compile(r"(model\w*|inline)_?form(set)?_factory$")
STATEMENT = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE|MERGE\s+INTO|REPLACE\s+INTO|COPY)\s+[\"`]?(\w+|\{\})", re.I
)


@dataclass(frozen=True)
class Write:
    """One place that writes: its function in the module, its line, and what it writes."""

    function: str
    line: int
    what: str
    guarded: bool


@dataclass(frozen=True)
class Names:
    """The personal names of the registry: models, accessors of rows, cleared fields and tables."""

    models: frozenset[str]
    others: frozenset[str]
    accessors: frozenset[str]
    fields: frozenset[str]
    files: frozenset[str]
    tables: frozenset[str]

    @classmethod
    def of(cls, policies: Sequence[Policy]) -> Names:
        models = [policy.model for policy in policies]
        erased = [
            policy.fields[name] for policy in policies for name in (policy.fields if policy.delete else policy.erase)
        ]  # fmt: skip
        names = frozenset(model.__name__ for model in models)
        return cls(
            models=names,
            others=frozenset(model.__name__ for model in apps.get_models()) - names,
            accessors=frozenset(name for model in models for name in _accessors(model)),
            fields=frozenset(name for field in erased for name in (field.name, field.attname)),
            files=frozenset(field.name for field in erased if isinstance(field, FileField)),
            tables=frozenset(model._meta.db_table for model in models),
        )


def _accessors(model: type[Model]) -> Iterator[str]:
    """Yield the names through which other models access rows of this one."""
    for field in model._meta.concrete_fields:
        if field.remote_field and not field.remote_field.hidden:
            yield str(field.remote_field.get_accessor_name())


@cache
def personal() -> Names:
    return Names.of([policy for policy in registry if policy.delete or policy.erase])


def writes_in(source: str, names: Names | None = None) -> list[Write]:
    """Return all places of a module that write personal data."""
    tree = ast.parse(source)
    scan = _Scan(names or personal(), _aliases(tree))
    scan.block(tree.body, function="", guarded=False, atomic=False)
    reached = scan.guarded_functions()
    return [
        Write(w.function, w.line, w.what, w.guarded or w.function.rpartition(".")[2] in reached)
        for w in scan.found
    ]


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Return the names that the module gives to its imports."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


class _Scan:
    """Visits a module's statements and tracks whether the session is locked."""

    def __init__(self, names: Names, aliases: dict[str, str]) -> None:
        self.names, self.aliases = names, aliases
        self.found: list[Write] = []
        #: Function → whether each place that names it is guarded. Passing it on is not guarded.
        self.called: dict[str, list[tuple[str, bool]]] = {}
        self.classes: list[str] = []

    def guarded_functions(self) -> set[str]:
        """Return the private functions that only guarded places call, directly or through each other."""
        reached: set[str] = set()
        while True:
            more = {
                name
                for name, places in self.called.items()
                if name.startswith("_") and all(ok or caller in reached for caller, ok in places)
            }
            if more == reached:
                return reached
            reached = more

    def block(
        self, body: Sequence[ast.stmt], *, function: str, guarded: bool, atomic: bool
    ) -> bool:
        """Visit statements in order. Return whether the session is locked after the last one."""
        for statement in body:
            guarded = self.statement(statement, function=function, guarded=guarded, atomic=atomic)
        return guarded

    def statement(self, node: ast.stmt, *, function: str, guarded: bool, atomic: bool) -> bool:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{function}.{node.name}".lstrip(".")
            is_atomic = any(_is_atomic(decorator) for decorator in node.decorator_list)
            self.block(node.body, function=inner, guarded=False, atomic=is_atomic)
            return guarded
        if isinstance(node, ast.ClassDef):
            self.klass(node, function=function)
            return guarded
        bodies = [
            getattr(node, name)
            for name in ("body", "orelse", "finalbody")
            if getattr(node, name, None)
        ]
        bodies += [
            part.body for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
        ]
        locks = atomic and any(_calls(part, GUARD) for part in _own(node))
        self.own(node, function=function, guarded=guarded or locks)
        inside = atomic or (
            isinstance(node, ast.With) and any(_is_atomic(i.context_expr) for i in node.items)
        )
        ends = [
            self.block(body, function=function, guarded=guarded or locks, atomic=inside)
            for body in bodies
        ]
        if isinstance(node, ast.Try) and all(_leaves(handler.body) for handler in node.handlers):
            return ends[0]
        return guarded or locks

    def klass(self, node: ast.ClassDef, *, function: str) -> None:
        self.classes.append(node.name)
        if any(self.name(base).endswith(WRITING_BASES) for base in node.bases):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign) and _named(inner.targets[0]) in {
                    "model",
                    "queryset",
                }:
                    self.of_model(inner.value, node, f"{function}.{node.name}".lstrip("."))
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("register"):
                for model in decorator.args:
                    self.of_model(model, node, f"{function}.{node.name}".lstrip("."))
        self.block(
            node.body, function=f"{function}.{node.name}".lstrip("."), guarded=False, atomic=False
        )
        self.classes.pop()

    def of_model(self, value: ast.expr, node: ast.ClassDef, function: str) -> None:
        if self.mentions(value):
            self.add(function, node, f"{node.name} of a personal model", guarded=False)

    def own(self, node: ast.stmt, *, function: str, guarded: bool) -> None:
        """Check the statement itself, without the statements inside it."""
        for target in _targets(node):
            if (
                isinstance(target, ast.Attribute)
                and target.attr in self.names.fields
                and self.is_row(target)
            ):
                self.add(function, node, f"{ast.unparse(target)} =", guarded=guarded)
        parts = [inner for part in _own(node) for inner in ast.walk(part)]
        heads = {id(call.func) for call in parts if isinstance(call, ast.Call)}
        for inner in parts:
            if isinstance(inner, ast.Call):
                self.call(inner, function=function, guarded=guarded)
            elif isinstance(inner, ast.Name | ast.Attribute) and id(inner) not in heads:
                self.called.setdefault(_named(inner), []).append(("", False))
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self.sql(parts, node, function=function, guarded=guarded)

    def is_row(self, target: ast.Attribute) -> bool:
        """Return whether an object may be a row. ``self`` is one in classes of models only."""
        if isinstance(target.value, ast.Name) and target.value.id in {"self", "cls"}:
            return bool(self.classes) and self.classes[-1] in self.names.models
        return True

    def call(self, call: ast.Call, *, function: str, guarded: bool) -> None:
        name = _named(call.func)
        self.called.setdefault(name, []).append((function.rpartition(".")[2], guarded))
        if self.writes(call, name):
            what = ast.unparse(call.func).replace("\n", " ")
            self.add(function, call, f"{what}()", guarded=guarded)

    def writes(self, call: ast.Call, name: str) -> bool:
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        way = name.removeprefix("a")
        if self.aliases.get(name, name) in self.names.models or FACTORY.search(name):
            return self.makes(call, name)
        if name == "setattr":
            return len(call.args) > 1 and self.may_be_field(call.args[1])
        if receiver is None:
            return False
        if way in MAKE:
            return self.mentions(receiver) or (not self.is_other(receiver) and self.puts(call))
        if way == "update":
            # A dict is updated with a positional argument. Rows never are.
            return not call.args and not self.is_other(receiver) and self.puts(call)
        if way == "bulk_update":
            return not self.is_other(receiver)
        if way == "save":
            return _named(receiver) in self.names.files or self.lists_field(call)
        return (
            name == "register" and _named(receiver) == "site" and any(map(self.mentions, call.args))
        )

    def makes(self, call: ast.Call, name: str) -> bool:
        return not FACTORY.search(name) or any(self.mentions(model) for model in call.args)

    def puts(self, call: ast.Call) -> bool:
        """Return whether a call names a personal field, or passes names set at run time."""
        return any(
            k.arg is None or k.arg == "defaults" or k.arg in self.names.fields
            for k in call.keywords
        )

    def lists_field(self, call: ast.Call) -> bool:
        lists = [keyword.value for keyword in call.keywords if keyword.arg == "update_fields"]
        return any(
            not isinstance(value, ast.List | ast.Tuple | ast.Set)
            or any(map(self.may_be_field, value.elts))
            for value in lists
        )

    def may_be_field(self, value: ast.expr) -> bool:
        return not isinstance(value, ast.Constant) or value.value in self.names.fields

    def mentions(self, value: ast.expr) -> bool:
        """Return whether an expression names a personal model or an accessor of its rows."""
        for node in ast.walk(value):
            text = (
                node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            )
            if isinstance(node, ast.Attribute) and node.attr in self.names.accessors:
                return True
            if self.name(node) in self.names.models or text.rpartition(".")[2] in self.names.models:
                return True
        return False

    def is_other(self, receiver: ast.expr) -> bool:
        """Return whether rows surely belong to another model, which the expression names."""
        first: ast.expr = receiver
        while isinstance(first, ast.Attribute | ast.Call | ast.Subscript):
            if isinstance(first, ast.Call) and _named(first.func) == "get_model":
                first = ast.Name(str(getattr(first.args[-1], "value", "")).rpartition(".")[2])
                break
            first = first.func if isinstance(first, ast.Call) else first.value
        return self.name(first) in self.names.others and not self.mentions(receiver)

    def name(self, node: ast.AST) -> str:
        named = _named(node)
        return self.aliases.get(named, named)

    def sql(
        self, parts: Sequence[ast.AST], node: ast.stmt, *, function: str, guarded: bool
    ) -> None:
        inside = {
            id(part) for whole in parts if isinstance(whole, ast.JoinedStr) for part in whole.values
        }
        for part in parts:
            text = _text(part) if id(part) not in inside else ""
            for table in STATEMENT.findall(text):
                if table == "{}" or table in self.names.tables:
                    self.add(function, node, f"SQL on {table}", guarded=guarded)

    def add(self, function: str, node: ast.AST, what: str, *, guarded: bool) -> None:
        self.found.append(Write(function, getattr(node, "lineno", 0), what, guarded))


def _own(node: ast.stmt) -> list[ast.AST]:
    """Return the parts of a statement that are not statements themselves."""
    return [
        child
        for child in ast.iter_child_nodes(node)
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
    ]


def _targets(node: ast.stmt) -> Iterator[ast.expr]:
    heads = [*list(getattr(node, "targets", [])), getattr(node, "target", None)]
    heads += [item.optional_vars for item in getattr(node, "items", [])]
    for head in heads:
        if head is not None and not isinstance(node, ast.Delete):
            yield from (
                part for part in ast.walk(head) if isinstance(getattr(part, "ctx", None), ast.Store)
            )


def _named(node: ast.AST) -> str:
    return (
        node.id
        if isinstance(node, ast.Name)
        else node.attr
        if isinstance(node, ast.Attribute)
        else ""
    )


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(inner, ast.Call) and _named(inner.func) == name for inner in ast.walk(node)
    )


def _is_atomic(node: ast.expr) -> bool:
    return _named(node.func if isinstance(node, ast.Call) else node) == "atomic"


def _leaves(body: Sequence[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Return | ast.Raise | ast.Continue)


def _text(node: ast.AST) -> str:
    """Return a string, with ``{}`` for the parts that are known only at run time."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in node.values)
    return ""
