"""Test that each command runs and each module is imported with only requirements.txt.

The development packages of this environment are hidden from the subprocesses of these tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import find_commands
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import bare
from tests.backups import backup
from tests.commands import ROOT, Done, run_commands, run_program

#: Packages of the checkout that an installation does not use.
DEVELOPMENT = {"bench", "tests"}

#: The arguments of each command, in the order of the runs on one database. IDS fills in ids.
RUNS = {
    "migrate": "--verbosity 0",
    "begin_ledger_copy": "",
    "make_demo": "--sessions 30 --yes-this-is-a-demo",
    "anonymize_session": "{sessions[0]}",
    "anonymize_guest": "{guests[0]}",
    # On some days, no session of such a small demo is of the last week. The clock check needs one.
    "anonymize_expired": "--clock-is-right",
    "create_api_client": "Nightly --right read_sessions",
    "delete_old_signals": "",
    "delete_erased_files": "",
    "maintain": "",
    "replay_erasures": "",
    "verify_erasure": "--production",
    "erasure_status": "",
    "ledger_head": "",
    "anchor_evidence": "",
    "verify_ledger": "",
    "reidentification_report": "",
    "apply_stricter_policy": "",
    "hold": "list",
    "print_record_of_processing": "",
}

#: This command refuses in the environment of the others. It has the same imports as
#: begin_ledger_copy.
APART = {"end_ledger_copy"}

#: Dry runs, and documented commands of Django and of other packages.
OTHERS = [
    "anonymize_session {sessions[1]} --dry-run",
    "anonymize_guest {guests[1]} --dry-run",
    "anonymize_expired --dry-run",
    "replay_erasures --dry-run",
    "verify_erasure --dry-run",
    "makemigrations --check --dry-run",
    "check --database default",
    # The findings depend on this machine. Each check must only complete.
    "check --deploy --fail-level CRITICAL",
    "clearsessions",
    "collectstatic --no-input --dry-run --verbosity 0",
    "spectacular --validate --fail-on-warn",
    "createsuperuser --no-input --username root --email root@example.com",
]

#: Prints sessions and guests that are not anonymized, each of its own guest.
IDS = """
import json
import django
django.setup()
from sessions_app.models import Guest
guests = Guest.objects.filter(anonymized_in=None).order_by("pk")[:4]
pairs = [(guest.pk, guest.sessions.first().pk) for guest in guests]
print(json.dumps({"guests": [g for g, s in pairs[:2]], "sessions": [s for g, s in pairs[2:]]}))
"""

IMPORT = """
import importlib, json, runpy, sys
import django
django.setup()
for name in json.loads(sys.argv[1]):
    try:
        runpy.run_path(name) if name.endswith(".py") else importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the variables of a production installation with the packages of requirements.txt."""
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE")  # set only for the browser tests
    for folder in ("packages", "media", "ledger"):
        (tmp_path / folder).mkdir()
    bare.link_packages(
        tmp_path / "packages", bare.closure(bare.required("requirements.txt")).values()
    )
    return {
        "PYTHONPATH": str(tmp_path / "packages"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}",
        "DEBUG": "off",
        "SECRET_KEY": "k" * 25 + "0123456789" * 3,
        "ALLOWED_HOSTS": "chat.example.com",
        "MEDIA_ROOT": str(tmp_path / "media"),
        "ERASURE_LEDGER_DIR": str(tmp_path / "ledger"),
        "EMAIL_URL": "consolemail://",
        "DJANGO_SUPERUSER_PASSWORD": "correct horse battery staple",
    }


@pytest.fixture
def migrated(
    transactional_db: None, environment: dict[str, str], tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Return these variables with a migrated database, of the same kind as the tests'."""
    with backup(tmp_path) as copy:
        yield environment | {"DATABASE_URL": copy.url}


def own_commands() -> set[str]:
    """Return the names of all commands that our apps define."""
    folders = [Path(config.path) for config in apps.get_app_configs()]
    own = [folder for folder in folders if folder.parent == ROOT]
    return {name for folder in own for name in find_commands(str(folder / "management"))}


def own_modules() -> list[str]:
    """Return the names of all modules of the product, and the paths of programs next to them."""
    packages = {path.parent for path in ROOT.glob("*/__init__.py")} - {
        ROOT / name for name in DEVELOPMENT
    }
    modules = [
        path.relative_to(ROOT).with_suffix("")
        for package in packages
        for path in package.rglob("*.py")
    ]
    names = {".".join(path.parts).removesuffix(".__init__") for path in modules}
    return [*sorted(names), *sorted(path.name for path in ROOT.glob("*.py"))]


def served_modules() -> set[str]:
    """Return the modules that the configurations of the two servers load."""
    configurations = [ROOT / "gunicorn.conf.py", ROOT / "gunicorn.events.py"]
    return {re.findall(r'^wsgi_app = "(.+)"', path.read_text(), re.M)[0] for path in configurations}


def run_bare(commands: list[str], environment: dict[str, str]) -> list[Done]:
    """Run commands. All must exit with 0."""
    results = run_commands(*commands, python=bare.PYTHON, **environment)
    failed = [
        (command, done) for command, done in zip(commands, results, strict=True) if done.returncode
    ]
    assert not failed, "\n".join(f"{command}: {done.stderr}" for command, done in failed)
    return results


@pytest.mark.any_database
def test_each_command_starts(environment: dict[str, str]) -> None:
    commands = [f"{name} --help" for name in sorted(own_commands())]
    results = run_bare(commands, environment)
    assert all("usage: manage.py" in done.stdout for done in results)


@pytest.mark.any_database
def test_each_command_is_in_the_table() -> None:
    assert own_commands() == RUNS.keys() | APART


def test_each_command_runs(migrated: dict[str, str]) -> None:
    commands = [*(f"{name} {arguments}".strip() for name, arguments in RUNS.items()), *OTHERS]
    there = (
        commands.index(next(command for command in commands if command.startswith("make_demo"))) + 1
    )
    run_bare(commands[:there], migrated)
    ids = json.loads(run_program(IDS, python=bare.PYTHON, **migrated))
    run_bare([command.format(**ids) for command in commands[there:]], migrated)


@pytest.mark.any_database
def test_each_module_is_imported(environment: dict[str, str]) -> None:
    modules = own_modules()
    assert {"manage.py", *served_modules()} <= set(modules)
    development = ["deptry", "hypothesis", "pytest"]
    printed = run_program(
        IMPORT, json.dumps([*modules, *development]), python=bare.PYTHON, **environment
    )
    assert [line.split(": ")[:2] for line in printed.splitlines()] == [
        [name, "ModuleNotFoundError"] for name in development
    ], printed


@pytest.mark.any_database
@pytest.mark.parametrize(
    "files",
    [("requirements.txt",), ("requirements.txt", "requirements-dev.txt")],
    ids=["run", "develop"],
)
def test_each_installed_version_is_pinned(files: tuple[str, ...]) -> None:
    named = [requirement for file in files for requirement in bare.required(file)]
    pins = pinned([*named, *bare.required("constraints.txt")])
    installed = {name: f"=={found.version}" for name, found in bare.closure(named).items()}
    assert {name: pins.get(name) for name in installed} == installed


@pytest.mark.any_database
def test_no_pin_is_left_over() -> None:
    named = [*bare.required("requirements.txt"), *bare.required("requirements-dev.txt")]
    # Including packages that only other versions of Python need.
    needed = {
        canonicalize_name(Requirement(line).name)
        for found in bare.closure(named).values()
        for line in found.requires or []
    }
    assert pinned(bare.required("constraints.txt")).keys() <= needed


def pinned(requirements: Iterator[Requirement] | list[Requirement]) -> dict[str, str]:
    return {
        canonicalize_name(requirement.name): str(requirement.specifier)
        for requirement in requirements
    }
