"""Test the directions of imports and of string references, and that one function opens sessions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.template.base import Lexer, TokenType

ROOT = Path(__file__).resolve().parent.parent
#: The floors from the lowest up. Each imports only from the ones before it.
FLOORS = ["lib", "anonymization", "api", "webchat", "sessions_app", "demo", "mluvii_gdpr"]
APPS = [floor for floor in FLOORS if floor not in {"lib", "demo"}]
#: The wings of sessions_app. All other modules of it are its ground floor.
WINGS = ["visitor", "staff", "api"]
#: models ← erasure ← writers ← forms ← modules that use HTTP or are called from outside.
LAYERS = [
    "models",
    "erasure",
    "lock",
    "conversation",
    "consent",
    "gate",
    "calls",
    "services",
    "forms",
]
#: Modules of any floor that write to the database. Pages, API, commands and streams call them.
WRITERS = [
    "models", "erasure", "services", "engine", "batch", "files", "restoration", "retention", "ledger",
    "lock", "conversation", "consent", "evidence", "gate", "calls", "limits",
]  # fmt: skip
#: Folders of modules that use HTTP.
PAGES = {"views", *WINGS}
HTTP = ("django.http", "django.shortcuts", "django.views", "django.contrib.messages", "django.urls")


def modules(floor: str) -> list[Path]:
    return [path for path in sorted((ROOT / floor).rglob("*.py")) if "migrations" not in path.parts]


def templates(floor: str) -> list[Path]:
    return sorted((ROOT / "templates" / floor).rglob("*.html"))


def imported(source: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, at any place in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(names: Iterable[str], places: Iterable[str]) -> list[str]:
    """Return the dotted names that are in one of the packages."""
    starts = tuple(f"{place}." for place in places)
    return [name for name in names if starts and f"{name}.".startswith(starts)]


def floors_above(floor: str) -> list[str]:
    return FLOORS[FLOORS.index(floor) + 1 :]


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_one_way(floor: str) -> None:
    above = floors_above(floor)
    wrong = {path.name: below(imported(path.read_text()), above) for path in modules(floor)}
    assert modules(floor)
    assert not {name: names for name, names in wrong.items() if names}


def forbidden_wings(path: Path) -> list[str]:
    """Return the wings that a module of sessions_app may not import: all, or the other ones."""
    wing = path.relative_to(ROOT / "sessions_app").parts[0]
    return [f"sessions_app.{other}" for other in WINGS if other != wing]


def test_no_wing_reaches_into_another_nor_the_ground_floor_into_a_wing() -> None:
    wrong = {
        path.relative_to(ROOT).as_posix(): below(imported(path.read_text()), forbidden_wings(path))
        for path in modules("sessions_app")
    }
    assert {path.split("/")[1] for path in wrong} >= {*WINGS, "models.py"}
    assert not {path: names for path, names in wrong.items() if names}


@pytest.mark.parametrize(
    ("place", "line", "wrong"),
    [
        ("staff/live.py", "from sessions_app.visitor.room import RoomView", True),
        ("staff/live.py", "from sessions_app.visitor import room", True),
        ("staff/live.py", "import sessions_app.api.views", True),
        ("gate.py", "from sessions_app.staff import live", True),
        ("management/commands/x.py", "from sessions_app import staff", True),
        ("staff/live.py", "from sessions_app.staff.pages import session_page", False),
        ("visitor/room.py", "from sessions_app import conversation", False),
    ],
)
def test_an_arrow_between_wings_is_seen(place: str, line: str, wrong: bool) -> None:
    assert bool(below(imported(line), forbidden_wings(ROOT / "sessions_app" / place))) == wrong


# Arrows that are strings --------------------------------------------------------------------------------

#: Methods and expressions whose strings and keywords name fields and relations.
QUERIES = {
    "filter", "exclude", "get", "annotate", "aggregate", "values", "values_list", "order_by", "only", "defer",
    "select_related", "prefetch_related", "distinct", "Count", "Sum", "Max", "Min", "Avg", "F", "Q", "Prefetch",
    "OuterRef", "Exists",
}  # fmt: skip


def relations_from_above(app: str) -> set[str]:
    """Return the names through which models of an app reach rows of higher apps."""
    relations = (
        r for model in apps.get_app_config(app).get_models() for r in model._meta.related_objects
    )
    reaching_up = [r for r in relations if r.related_model._meta.app_label in floors_above(app)]
    names = {str(r.get_accessor_name()) for r in reaching_up} | {r.name for r in reaching_up}
    return names - {"None"}


def reached(source: str) -> Iterator[str]:
    """Yield the names that a module looks up: attributes and parts of ``texts__events``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in QUERIES:
            strings = [
                a.value
                for a in node.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            for lookup in [*strings, *(keyword.arg or "" for keyword in node.keywords)]:
                yield from lookup.lstrip("-").split("__")


@pytest.mark.parametrize("app", APPS[:-1])
def test_no_app_reaches_up_by_a_relation(app: str) -> None:
    """Django adds an attribute to a model for each relation to it, also from higher apps."""
    names = relations_from_above(app)
    found = {path.name: names.intersection(reached(path.read_text())) for path in modules(app)}
    assert not {path: used for path, used in found.items() if used}


@pytest.mark.parametrize(
    "line",
    [
        "webchat.sessions.all()",
        "versions.annotate(n=Count('texts__events'))",
        "versions.filter(texts__events__kind='given')",
        "WebChat.objects.prefetch_related('sessions')",
        "WebChat.objects.order_by('-sessions__created_at')",
        "Q(sessions__isnull=True)",
    ],
)
def test_a_relation_from_above_is_seen(line: str) -> None:
    assert relations_from_above("webchat").intersection(reached(line))


def compiled_tags(source: str) -> list[str]:
    """Return the template code in a module's strings, except docstrings."""
    tree = ast.parse(source)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    strings = (
        n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )
    return [node.value for node in strings if id(node) not in docs and "{%" in node.value]


def test_no_module_compiles_template_code() -> None:
    """A tag in a string can use any app's library. A function needs an import."""
    assert compiled_tags("x = engine.from_string('{% moment value %}')")
    found = {
        path.name: compiled_tags(path.read_text()) for floor in FLOORS for path in modules(floor)
    }
    assert not {path: tags for path, tags in found.items() if tags}


def libraries() -> dict[str, str]:
    """Return the template tag libraries of our apps, each with its floor in the import order."""
    found = (
        (path.stem, floor)
        for floor in FLOORS
        for path in (ROOT / floor).glob("templatetags/[a-z]*.py")
    )
    return dict(found)


def named_in(template: str) -> tuple[set[str], set[str]]:
    """Return the tag libraries that a template loads, and the templates that it uses."""
    loaded: set[str] = set()
    others: set[str] = set()
    for token in Lexer(template).tokenize():
        if token.token_type != TokenType.BLOCK:
            continue
        tag, *words = token.split_contents()
        if tag == "load":
            loaded |= {words[-1]} if "from" in words else set(words)
        elif tag in {"extends", "include"}:
            others.add(words[0].strip("\"'"))
    return loaded, others


def reaches_up(template: str, *, floor: str) -> set[str]:
    """Return the names in a template that belong to a higher floor."""
    above = floors_above(floor)
    loaded, others = named_in(template)
    homes = libraries()
    return {name for name in loaded if homes.get(name) in above} | {
        name for name in others if name.partition("/")[0] in above
    }


@pytest.mark.parametrize("floor", APPS[:-1])
def test_no_template_reaches_up(floor: str) -> None:
    found = {path.name: reaches_up(path.read_text(), floor=floor) for path in templates(floor)}
    assert found
    assert not {path: names for path, names in found.items() if names}


def test_a_template_that_reaches_up_is_seen() -> None:
    assert reaches_up("{% load mail %}", floor="webchat") == {"mail"}
    assert reaches_up("{% load sends_mail from mail %}", floor="webchat") == {"mail"}
    for tag in ("extends", "include"):
        template = f'{{% {tag} "sessions_app/visitor/line.html" %}}'
        assert reaches_up(template, floor="webchat") == {"sessions_app/visitor/line.html"}
        assert not reaches_up(template, floor="sessions_app")


# Layers and creators ------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", APPS[:-1])
def test_layers_of_an_app_import_one_way(app: str) -> None:
    for number, layer in enumerate(LAYERS):
        path = ROOT / app / f"{layer}.py"
        above = [f"{app}.{name}" for name in [*LAYERS[number + 1 :], "views", "admin", "urls"]]
        assert not path.exists() or not below(imported(path.read_text()), above), path


@pytest.mark.parametrize("floor", FLOORS[:-1])
def test_modules_that_write_know_no_http(floor: str) -> None:
    writers = [
        path
        for path in modules(floor)
        if {path.stem, path.parent.name}.intersection(WRITERS)
        and (path.parent == ROOT / floor or path.parent.name not in PAGES)
    ]
    assert writers or floor in {"lib", "demo"}
    for path in writers:
        names = [
            n
            for n in imported(path.read_text())
            if n.startswith(HTTP) and n != "django.urls.reverse"
        ]
        assert not names, path


def calls(path: Path) -> Iterator[str]:
    """Yield the source text of each call in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_only_the_gate_creates_sessions_and_evidence() -> None:
    ways = ("create", "bulk_create", "get_or_create", "update_or_create")
    creators = {
        (path.relative_to(ROOT).as_posix(), call)
        for floor in FLOORS
        if floor != "demo"
        for path in modules(floor)
        for call in calls(path)
        for model in ("Session", "ConsentEvent")
        if call in {f"{model}.objects.{way}" for way in ways} or call == model
    }
    assert creators == {
        ("sessions_app/gate.py", "Session.objects.create"),
        ("sessions_app/consent.py", "ConsentEvent.objects.create"),
    }


WRITES = (
    ".create",
    ".update",
    ".bulk_create",
    ".bulk_update",
    ".get_or_create",
    ".update_or_create",
    ".delete",
)


def test_no_view_writes_to_a_session_by_itself() -> None:
    """Only modules that lock the session and read it again write personal data."""
    models = ("Session", "Guest", "Message", "Attachment")
    writers = {
        (path.name, call)
        for path in modules("sessions_app")
        for call in calls(path)
        if (
            call.startswith(tuple(f"{model}.objects" for model in models)) and call.endswith(WRITES)
        )
        or (
            call.rpartition(".")[0] in {"session", "self.session", "guest", "message", "attachment"}
            and call.endswith((".save", ".delete"))
        )
    }
    assert {name for name, _ in writers} <= {"gate.py", "conversation.py", "consent.py", "calls.py"}
    assert ("gate.py", "Session.objects.create") in writers
