"""Test that servers start, serve and complete the erasure of a process that died in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from anonymization import restoration
from anonymization.ledger import external_copy, recording
from anonymization.models import Erasure, LedgerState, Note, Source
from anonymization.restoration import Standing, standing
from sessions_app.models import Guest, Session
from tests.database import dump, media_contains
from tests.factories import AttachmentFactory, SessionFactory
from tests.pages import entry_url
from tests.server import EVENTS, ROOT, ask, on_this_database, served
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def environment(settings: Any, tmp_path: Path) -> Iterator[dict[str, str]]:
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    settings.ERASURE_LEDGER_DIR.mkdir()
    restoration.begin_copy(requester=recording.Requester(Source.COMMAND))
    folder = {"ERASURE_LEDGER_DIR": str(settings.ERASURE_LEDGER_DIR), "WEB_WORKERS": "2"}
    yield on_this_database() | folder
    assert LedgerState.copy_exists()


def visit(webchat: WebChat, who: str) -> Session:
    email, said = f"{who}@example.com", [f"This is {who}"]
    session: Session = SessionFactory(webchat=webchat, name=who, email=email, messages=said)
    AttachmentFactory(session=session, content=f"File of {who}".encode())
    return session


def remains(who: str) -> bool:
    return f"{who}@example.com" in dump() or media_contains(f"File of {who}".encode())


def kill_while_erasing(guest: Guest, when: str, environment: dict[str, str]) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.killed", when, str(guest.pk)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "mluvii_gdpr.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def wait_until_complete() -> None:
    deadline = time.monotonic() + 60
    while standing() is not Standing.EVEN or Guest.objects.filter(name="anna").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("config", ["gunicorn.conf.py", EVENTS], ids=["pages", "events"])
def test_servers_complete_an_interrupted_erasure_when_they_start(
    tmp_path: Path, webchat: WebChat, environment: dict[str, str], config: str
) -> None:
    anna, boris = visit(webchat, "anna"), visit(webchat, "boris")
    visit(webchat, "anna")
    kill_while_erasing(anna.guest, "before", environment)
    path = external_copy.file_of()
    assert path is not None
    (entry,) = external_copy.end_of(path).still_open
    assert remains("anna")
    with served(tmp_path, config=config, **environment) as server:
        if config != EVENTS:
            page = f"GET {entry_url(webchat)} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
            assert ask(server, page).startswith(b"HTTP/1.0 200"), "the chat serves at once"
        wait_until_complete()
    assert not remains("anna")
    assert remains("boris")
    assert Session.objects.get(pk=boris.pk).anonymized_in is None
    records = list(Erasure.objects.order_by("number"))
    assert [r.kind for r in records] == [Note.COPY_BEGUN, "sessions_app.Guest", Note.REDO]
    assert records[1].entry == entry
    call_command("verify_ledger")


def test_a_process_that_dies_after_the_commit_leaves_nothing_to_do(
    webchat: WebChat, environment: dict[str, str]
) -> None:
    anna = visit(webchat, "anna")
    kill_while_erasing(anna.guest, "after", environment)
    assert standing() is Standing.EVEN
    call_command("delete_erased_files")
    assert not remains("anna")
    call_command("verify_ledger")
