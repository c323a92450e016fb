"""The directions in which the house is built: imports run one way, and one function opens sessions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
APPS = ["lib", "anonymization", "api", "webchat", "sessions_app", "mluvii_gdpr"]
#: models ← erasure ← services ← forms ← what speaks HTTP or is called from outside.
LAYERS = ["models", "erasure", "services", "forms"]
HTTP = ("django.http", "django.shortcuts", "django.views", "django.contrib.messages", "django.urls")


def modules(app: str) -> list[Path]:
    return [path for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("app", APPS)
def test_apps_import_one_way(app: str) -> None:
    above = tuple(f"{name}." for name in APPS[APPS.index(app) + 1 :])
    wrong = [
        (path.name, name) for path in modules(app) for name in imported(path) if f"{name}.".startswith(above)
    ]
    assert not above or not wrong, wrong


@pytest.mark.parametrize("app", APPS[:4])
def test_no_app_reaches_up_by_a_relation(app: str) -> None:
    """Django gives a model an attribute for each relation that leads to it, from apps above as well."""
    above = APPS[APPS.index(app) + 1 :]
    relations = (r for model in apps.get_app_config(app).get_models() for r in model._meta.related_objects)
    names = {r.get_accessor_name() for r in relations if r.related_model._meta.app_label in above}
    used = {
        (path.name, node.attr)
        for path in modules(app)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in names
    }
    assert not used
    assert app != "webchat" or "sessions" in names


@pytest.mark.parametrize("app", APPS[:4])
def test_layers_of_an_app_import_one_way(app: str) -> None:
    for number, layer in enumerate(LAYERS):
        path = ROOT / app / f"{layer}.py"
        above = {f"{app}.{name}" for name in [*LAYERS[number + 1 :], "views", "admin", "urls"]}
        names = set(imported(path)) if path.exists() else set()
        assert not {name for name in names for upper in above if f"{name}.".startswith(f"{upper}.")}, path


@pytest.mark.parametrize("app", APPS[:4])
@pytest.mark.parametrize("layer", ["models", "erasure", "services"])
def test_models_and_services_know_no_http(app: str, layer: str) -> None:
    path = ROOT / app / f"{layer}.py"
    names = set(imported(path)) if path.exists() else set()
    assert not {name for name in names if name.startswith(HTTP) and name != "django.urls.reverse"}


def calls(path: Path) -> Iterator[str]:
    """Yield what a module calls, as source text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_only_the_gate_creates_sessions_and_evidence() -> None:
    creators = {
        (path.relative_to(ROOT).as_posix(), call)
        for app in APPS
        for path in modules(app)
        if "demo" not in path.parts
        for call in calls(path)
        for model in ("Session", "ConsentEvent")
        if call
        in {
            f"{model}.objects.{way}" for way in ("create", "bulk_create", "get_or_create", "update_or_create")
        }
        or call == model
    }
    assert creators == {
        ("sessions_app/services.py", "Session.objects.create"),
        ("sessions_app/services.py", "ConsentEvent.objects.create"),
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
    """Writers of personal data stand in services.py, where each locks the session and reads its state again."""
    models = ("Session", "Guest", "Message", "Attachment")
    writers = {
        (path.name, call)
        for path in modules("sessions_app")
        for call in calls(path)
        if (call.startswith(tuple(f"{model}.objects" for model in models)) and call.endswith(WRITES))
        or (
            call.rpartition(".")[0] in {"session", "self.session", "guest", "message", "attachment"}
            and call.endswith((".save", ".delete"))
        )
    }
    assert {name for name, _ in writers} == {"services.py"}
