"""Test the security headers: scripts, frames and caches."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessions_app.models import Attachment
from tests.factories import ConsentVersionFactory, WebChatFactory
from tests.pages import COMPLETE, LogIn, close_files, entry_url, submit, ticket_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


@pytest.fixture
def pages(client: Client, log_in: LogIn) -> dict[str, Any]:
    """Return one answer of each kind of page."""
    webchat = WebChatFactory()
    entry = client.get(entry_url(webchat))
    room = submit(client, webchat).headers["Location"]
    client.post(f"{room}file/", {"file": SimpleUploadedFile("a.txt", b"a")})
    download = client.get(f"{room}files/{Attachment.objects.get().pk}/")
    close_files(download)
    return {
        "staff": log_in("support").get("/sessions/"),
        "entry": entry,
        "room": client.get(room),
        "transcript": client.get(f"{room}transcript/"),
        "download": download,
        "editor": log_in("administrator").get(f"/settings/webchat/{webchat.pk}/forms/"),
    }


def policy_of(response: Any) -> dict[str, str]:
    header = re.sub(
        r"'nonce-[\w+/=-]{16,}'", "'nonce-…'", response.headers["Content-Security-Policy"]
    )
    return dict(directive.strip().split(" ", 1) for directive in header.split(";"))


@pytest.mark.parametrize(
    ("kind", "policy", "frames"),
    [
        ("staff", POLICY, "DENY"),
        # The scripts of the editor package are modules. Each answer has a new nonce.
        ("editor", POLICY | {"script-src": "'self' 'nonce-…'"}, "DENY"),
        ("entry", POLICY, "DENY"),
        ("room", POLICY | {"frame-src": "'self'"}, "DENY"),
        # The room shows the transcript in a frame that reloads itself.
        ("transcript", POLICY | {"frame-src": "'self'", "frame-ancestors": "'self'"}, "SAMEORIGIN"),
        ("download", {"sandbox": "", "default-src": "'none'"}, "DENY"),
    ],
)
def test_what_runs_and_who_frames(
    pages: dict[str, Any], kind: str, policy: dict[str, str], frames: str
) -> None:
    response = pages[kind]
    assert response.status_code == 200
    if kind == "download":
        assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    else:
        assert policy_of(response) == policy
    assert response.headers["X-Frame-Options"] == frames
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_nonce_is_used_once(log_in: LogIn) -> None:
    url, administrator = f"/settings/webchat/{WebChatFactory().pk}/forms/", log_in("administrator")
    assert (
        len({administrator.get(url).headers["Content-Security-Policy"] for _number in range(3)})
        == 3
    )


def answers(client: Client) -> dict[int, Any]:
    """Return the entry form's answers by status. Some contain typed values."""
    webchat = WebChatFactory()
    shown = client.get(entry_url(webchat))
    old = {"ticket": ticket_in(shown), **COMPLETE}
    ConsentVersionFactory(webchat=webchat, wording="Another wording.")
    results = [
        shown,
        client.post(entry_url(webchat), {**COMPLETE, "ticket": "forged"}),
        client.post(entry_url(webchat), old),
        submit(client, webchat, consent=None),
        submit(client, webchat),
        client.get(entry_url(WebChatFactory(published=[]))),
    ]
    return {response.status_code: response for response in results}


@pytest.mark.parametrize("status", [200, 302, 403, 409, 422, 503])
def test_no_answer_of_the_entry_form_is_kept(client: Client, status: int) -> None:
    response = answers(client)[status]
    assert "no-store" in response.headers["Cache-Control"]
