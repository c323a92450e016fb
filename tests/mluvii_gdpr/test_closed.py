"""Test that the answers of a closed installation are never cached.

An installation is closed if its database does not match the external copy of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client

from anonymization import engine
from anonymization.ledger import recording
from api.models import Right
from mluvii_gdpr import middleware, readiness
from tests.api.conftest import Caller, token_for
from tests.factories import ApiClientFactory, SessionFactory
from tests.pages import LogIn

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PAGES = [
    "/",
    "/sessions/",
    "/w/00000000000000000000/",
    f"/r/{'0' * 64}/",
    f"/c/{'0' * 64}/",
    "/accounts/email/",
]
CALLS = ["/api/v1/Sessions", "/login/connect/token", "/api/schema"]


@pytest.fixture
def _closed(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Configure a folder without a copy, like a volume that is not mounted."""
    settings.ERASURE_LEDGER_DIR = tmp_path
    readiness.ledger.forget()
    yield
    readiness.ledger.forget()


@pytest.mark.usefixtures("_closed")
@pytest.mark.parametrize("path", [*PAGES, *CALLS])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_is_stored_by_no_cache_and_says_when_to_come_back(
    client: Client, path: str, method: str
) -> None:
    answer = client.generic(method, path)
    assert answer.status_code == 503
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == "60"
    kind = "application/json" if path in CALLS else "text/html"
    assert answer.headers["Content-Type"].startswith(kind)


@pytest.mark.usefixtures("_closed")
@pytest.mark.parametrize("path", PAGES)
def test_its_pages_have_the_headers_of_every_page(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Permissions-Policy"] == middleware.Devices.NONE
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_without_a_database_it_is_stored_by_no_cache_either(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[str]:
        raise DatabaseError

    settings.ERASURE_LEDGER_DIR = tmp_path
    monkeypatch.setattr(middleware, "ledger_problems", fail)
    for path in (*PAGES, *CALLS):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store"), path


# An erasure whose outcome is unknown -------------------------------------------------------------------------


@pytest.fixture
def _lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose the connection at the COMMIT of an erasure, after its intent was written."""

    def lose(*_args: Any, **_options: Any) -> None:
        raise recording.Unsettled(recording._unsettled())

    monkeypatch.setattr(engine, "erase", lose)


@pytest.mark.usefixtures("_lost")
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "The erasure failed. It may still be completed automatically."),
        ("cs", "Výmaz selhal. Může se ještě automaticky dokončit."),
        ("de", "Die Löschung ist fehlgeschlagen. Sie kann noch automatisch abgeschlossen werden."),
        ("sk", "Výmaz zlyhal. Ešte sa môže automaticky dokončiť."),
    ],
)
def test_a_failed_request_says_that_the_erasure_may_still_be_completed(
    log_in: LogIn, language: str, said: str
) -> None:
    session = SessionFactory()
    support = log_in("support")
    answer = support.post(
        f"/sessions/{session.pk}/anonymize/", headers={"accept-language": language}
    )
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    assert said in " ".join(answer.content.decode().split())


@pytest.mark.usefixtures("_lost")
def test_a_failed_call_says_that_the_erasure_may_still_be_completed() -> None:
    caller = Caller(token_for(ApiClientFactory(rights=Right.values)))
    answer = caller.post(f"/api/v1/Sessions/{SessionFactory().pk}/anonymize")
    assert answer.status_code == 503
    said = "The erasure failed. It may still be completed automatically."
    assert answer.json() == {"detail": said}


@pytest.mark.usefixtures("_lost")
@pytest.mark.django_db(transaction=True)
def test_a_failed_command_says_that_the_erasure_may_still_be_completed() -> None:
    with pytest.raises(CommandError, match=r"It may still be completed automatically\.$"):
        call_command("anonymize_session", str(SessionFactory().pk))
