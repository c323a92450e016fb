"""Test that the examples of docs/api.md run as written and name every call."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from api.models import Right
from sessions_app.models import Guest, Session
from tests.factories import ApiClientFactory, SessionFactory
from tests.server import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "api.md").read_text()


def examples(language: str, server: Server, session: Session, guest: int | None) -> str:
    """Return the examples of a language as one program, for this server and these records."""
    code = "\n".join(re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S))
    for written, real in (
        ("https://chat.example.com", server.url),
        ("4711", session.pk),
        ("815", guest),
    ):
        assert written in code
        code = code.replace(written, str(real))
    return code


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_examples_run(language: str, server: Server) -> None:
    if language == "sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    session, other, client = SessionFactory(), SessionFactory(new_guest=True), ApiClientFactory()
    program = [sys.executable, "-"] if language == "python" else ["sh", "-eu"]
    finished = subprocess.run(
        program,
        input=examples(language, server, session, other.guest_id),
        env=os.environ | {"CLIENT_ID": client.client_id, "CLIENT_SECRET": client.secret},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert re.search("""['"]email['"]""", finished.stdout), "the look-up says what is the same"
    session.refresh_from_db()
    assert session.anonymized_in is not None
    assert Guest.objects.get(pk=other.guest_id).anonymized_in is not None
    assert '"messages"' in finished.stdout or "'messages'" in finished.stdout


def test_every_call_has_an_example_in_both_languages() -> None:
    calls = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["paths"]
    assert len(calls) > 5
    for language in ("sh", "python"):
        code = "\n".join(re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S))
        for call in calls:
            assert re.search(call.replace("{id}", r"\d+") + r"\b", code), (language, call)


def test_every_right_is_explained() -> None:
    for right in Right:
        assert f"| `{right.value}` |" in DOCUMENT
