"""Test the limits on what one side of a conversation sends within a minute."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from sessions_app import limits
from sessions_app.models import Attachment, Message, Session, Signal
from tests.database import media
from tests.factories import WebChatFactory
from tests.pages import LogIn, submit
from tests.races import at_once

pytestmark = pytest.mark.django_db

FETCHED = {"X-Fetched": "1"}
SAID = "You have sent too much within a minute."


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two of each pass, and stop the clock of the limits."""
    now = timezone.now().replace(second=10, microsecond=0)
    monkeypatch.setattr(limits, "timezone", SimpleNamespace(now=lambda: now))
    for name in ("MESSAGES", "FILES", "SIGNALS"):
        monkeypatch.setattr(limits, name, limits.Limit(name, 2))


@pytest.fixture
def room(client: Client) -> str:
    return submit(client, WebChatFactory(), showroom=True).headers["Location"]


@pytest.fixture(params=["visitor", "operator"])
def send(
    request: pytest.FixtureRequest, client: Client, log_in: LogIn, room: str
) -> Callable[..., Any]:
    """Return a function that sends to a page of the visitor or of the operator, who took the call."""
    base, sender = room, client
    names = {"message": "message", "file": "file", "signal": "signal"}
    if request.param == "operator":
        sender, pk = log_in("operator"), Session.objects.get().pk
        base = f"/sessions/{pk}/"
        sender.post(f"{base}accept/")
        names = {"message": "answer", "file": "files", "signal": "signal"}

    def post(page: str, fields: dict[str, Any], **headers: str) -> Any:
        return sender.post(f"{base}{names[page]}/", fields, headers=headers)

    return post


def upload(size: int = 7) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("a.txt", b"x" * size)}


@pytest.mark.parametrize(("headers", "taken"), [({}, 302), (FETCHED, 204)])
def test_messages(send: Callable[..., Any], headers: dict[str, str], taken: int) -> None:
    answers = [send("message", {"text": f"No {number}"}, **headers) for number in range(3)]
    assert [answer.status_code for answer in answers] == [taken, taken, 429]
    assert answers[2].headers["Retry-After"] == "50"
    html = answers[2].content.decode()
    assert SAID in html
    assert ">\nNo 2</textarea>" in html, "what was typed is kept"
    assert Message.objects.count() == 2


@pytest.mark.parametrize(("headers", "taken"), [({}, 302), (FETCHED, 204)])
def test_files(send: Callable[..., Any], headers: dict[str, str], taken: int) -> None:
    answers = [send("file", upload(), **headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [taken, taken, 429]
    assert answers[2].headers["Retry-After"] == "50"
    assert SAID in answers[2].content.decode()
    assert Attachment.objects.count() == 2
    assert len(media()) == 2


def test_bytes(send: Callable[..., Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FILE_BYTES", 0)
    settings.ATTACHMENT_MAX_BYTES = 100
    assert [send("file", upload(size)).status_code for size in (100, 1)] == [302, 429], (
        "a file of the largest size fits"
    )
    assert Attachment.objects.count() == 1


def test_signals(send: Callable[..., Any]) -> None:
    answers = [send("signal", {"kind": "candidate", "body": "{}"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[2].headers["Retry-After"] == "50"
    assert Signal.objects.count() == 2


def test_sides_and_rooms_are_counted_apart(client: Client, log_in: LogIn, room: str) -> None:
    for _ in range(3):
        client.post(f"{room}message/", {"text": "Hello"})
    pk = Session.objects.get().pk
    answer = log_in("operator").post(f"/sessions/{pk}/answer/", {"text": "Hello"})
    assert answer.status_code == 302
    other = submit(client, WebChatFactory()).headers["Location"]
    assert client.post(f"{other}message/", {"text": "Hello"}).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_parallel_messages_do_not_pass_the_limit(client: Client) -> None:
    room = submit(client, WebChatFactory()).headers["Location"]
    answers = at_once([lambda: Client().post(f"{room}message/", {"text": "Hello"})] * 6)
    assert sorted(a.status_code for a in answers) == [302] * 2 + [429] * 4  # type: ignore[union-attr]
    assert Message.objects.count() == 2
