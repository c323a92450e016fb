"""Fixtures for all tests: logins by role, WebChats with published texts, and a fast flush."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client, TransactionTestCase

from mluvii_gdpr.environment import WrongEnvironment, refuse_in_production
from tests.database import flush
from tests.factories import StaffFactory, WebChatFactory, reset_factories
from tests.pages import LogIn
from webchat.models import WebChat

# Playwright's synchronous API runs an event loop in the test's thread. The ORM is used outside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# Every run uses the same examples, so that only a change can break a test. Long runs may vary.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("new", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

pytest_plugins = ["tests.bystander"]

try:
    refuse_in_production()
except WrongEnvironment as production:
    pytest.exit(str(production), returncode=1)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Store SQLite's test database in a file, so that log and locks work as in production.

    Each process has a separate file, so that workers and runs do not share a database.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(
            django_settings.VAR_DIR / f"test-{os.getpid()}.sqlite3"
        )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Check the triggers before the first test, as a process does, so that no test counts it."""
    from mluvii_gdpr import readiness

    with django_db_blocker.unblock():
        assert readiness.guard_problems() == []


@pytest.fixture(autouse=True, scope="session")
def _quick_flush() -> Iterator[None]:
    """Empty the database after a transactional test in one transaction, without the triggers.

    Append-only tables would refuse Django's flush. It also creates all permissions again, which takes
    most of its time.
    """
    original = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = lambda self: flush()  # type: ignore[attr-defined]
    yield
    TransactionTestCase._fixture_teardown = original  # type: ignore[attr-defined]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse a set of parameters: each process iterates it in another order, and workers need the same one."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs["argvalues"]
        if isinstance(values, set | frozenset):
            raise pytest.UsageError(f"{metafunc.function.__name__}: sort the set of parameters.")


#: Fixtures that give access to the database. Without one of them or the mark there is no access.
_LEAD_TO_THE_DATABASE = {"db", "transactional_db", "live_server", "django_db_setup"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run browser tests last, and on PostgreSQL only the tests that depend on the database.

    From its first test on, Playwright keeps an event loop running in the thread. ``asyncio.run`` then
    fails in later tests.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    if connection.vendor != "postgresql":
        return
    left_out = [item for item in items if not _is_for_postgresql(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _is_for_postgresql(item)]


def _is_for_postgresql(item: pytest.Item) -> bool:
    if item.get_closest_marker("any_database"):
        return False
    marked = item.get_closest_marker("django_db") or item.get_closest_marker("postgresql")
    return marked is not None or not _LEAD_TO_THE_DATABASE.isdisjoint(
        getattr(item, "fixturenames", ())
    )


@pytest.fixture(autouse=True)
def _own_media_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "api.hashers.SecretHasher",
    ]


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    """Let one address open any number of conversations. The tests of the limits set them."""
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = settings.ENTRIES_PER_MINUTE = 0


@pytest.fixture(autouse=True)
def _same_values() -> None:
    """Give each test the same generated values, independent of the order of the tests."""
    reset_factories()


@pytest.fixture
def webchat(db: None) -> WebChat:
    """Return a WebChat with one published version, in English and Czech."""
    return WebChatFactory()


@pytest.fixture
def log_in(db: None) -> LogIn:
    """Return a function that logs a client in with a role. Without a role it is anonymous."""

    def client_for(role: str) -> Client:
        client = Client()
        if role:
            client.force_login(StaffFactory(role=role))
        return client

    return client_for


@pytest.fixture
def administrator(log_in: LogIn) -> Client:
    return log_in("administrator")


@pytest.fixture
def support(log_in: LogIn) -> Client:
    return log_in("support")


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Start Debian's Chromium, as a headless shell if there is one, which saves a third of the CPU time."""
    return _launch_args("chromium-headless-shell", *_CHROMIUM)


@pytest.fixture(scope="session")
def chromium_launch_args() -> dict[str, Any]:
    """Start a whole Chromium. A headless shell has no fake devices and ignores cookie settings."""
    return _launch_args(*_CHROMIUM)


_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def _launch_args(*programs: str) -> dict[str, Any]:
    """Start the first program that is found. Without one, skip, or fail if REQUIRE_BROWSER is set."""
    path = next(filter(None, map(shutil.which, programs)), None)
    if path is None:
        missing = "No Chromium was found."
        pytest.fail(missing) if os.environ.get("REQUIRE_BROWSER") else pytest.skip(missing)
    quiet = [
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    return {"executable_path": path, "args": ["--no-sandbox", "--no-first-run", *quiet]}
