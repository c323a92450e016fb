"""Test that nothing is served from an SQLite database without its triggers."""

from __future__ import annotations

import logging
import math

import pytest
from django.db import connection
from django.test import Client

from anonymization import triggers
from mluvii_gdpr import readiness
from tests.factories import WebChatFactory
from tests.pages import LogIn, entry_url
from webchat.models import WebChat

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="its migrations drop triggers"),
]


@pytest.fixture
def webchat() -> WebChat:
    return WebChatFactory()


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    guards = readiness.Answer(readiness._find_missing_triggers, good_for=math.inf)
    monkeypatch.setattr(readiness, "guards", guards)


@pytest.fixture
def _unguarded(webchat: WebChat) -> None:
    triggers.drop(connection)


@pytest.mark.usefixtures("_unguarded")
def test_a_database_without_triggers_closes(
    client: Client, log_in: LogIn, webchat: WebChat, caplog: pytest.LogCaptureFixture
) -> None:
    for page in (entry_url(webchat), "/", "/sessions/"):
        assert client.get(page).status_code == 503
        assert client.post(page).status_code == 503
    answer = client.get("/api/v1/Sessions")
    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "The database lacks its triggers."},
    )
    page = log_in("administrator").get("/sessions/").content.decode()
    assert "manage.py migrate" in page
    assert "For administrators" not in page, "replaying erasures does not help"
    assert client.get("/livez").status_code == 200
    # The log names the number of triggers, and the advice, once.
    (line,) = [r for r in caplog.records if r.name == "mluvii_gdpr.readiness"]
    assert line.levelno == logging.ERROR
    assert "run manage.py migrate" in line.getMessage()


@pytest.mark.usefixtures("_unguarded")
def test_migrate_opens_again(client: Client, webchat: WebChat) -> None:
    assert client.get(entry_url(webchat)).status_code == 503
    triggers.after_migrate("default")
    readiness.guards.forget()  # as a few seconds do
    assert client.get(entry_url(webchat)).status_code == 200


def test_a_process_checks_only_once(client: Client, webchat: WebChat) -> None:
    assert client.get(entry_url(webchat)).status_code == 200
    triggers.drop(connection)
    assert client.get(entry_url(webchat)).status_code == 200
