"""The visitor's room: who holds its URL talks; nobody else gets in, and nothing dangerous gets out."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessions_app import services
from sessions_app.models import Attachment, Message, Party, Session
from tests.database import digest, media
from tests.factories import make_webchat
from tests.pages import close_files, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(client: Client) -> str:
    return submit(client, make_webchat()).headers["Location"]


def send(client: Client, room: str, name: str = "a.txt", content: bytes = b"content") -> Any:
    return client.post(f"{room}file/", {"file": SimpleUploadedFile(name, content, content_type="text/html")})


def test_both_sides_are_shown(client: Client, room: str) -> None:
    assert client.post(f"{room}message/", {"text": "<b>Hello</b>"}).headers["Location"] == room
    services.post_message(Session.objects.get(), sender=Party.OPERATOR, text="Good day")
    for page in (client.get(room), client.get(f"{room}transcript/")):
        html = page.content.decode()
        assert "&lt;b&gt;Hello&lt;/b&gt;" in html
        assert "Good day" in html
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in page.headers["Cache-Control"]
        assert not page.cookies
    session = Session.objects.get()
    assert (session.messages_visitor, session.messages_operator) == (1, 1)


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "a\0b"])
def test_message_that_is_not_right_stays_in_the_form(client: Client, room: str, text: str) -> None:
    response = client.post(f"{room}message/", {"text": text})
    assert response.status_code == 422
    assert text.strip() in response.content.decode() or "\0" in text
    assert not Message.objects.exists()


def test_unknown_and_foreign_rooms_are_not_found(client: Client, room: str) -> None:
    for token in ("x", "0" * 64, room.split("/")[2][:-1] + "g", room.split("/")[2].upper()):
        assert client.get(f"/r/{token}/").status_code == 404
        assert client.post(f"/r/{token}/message/", {"text": "x"}).status_code == 404


def test_file_is_stored_under_a_random_name_and_downloaded_safely(client: Client, room: str) -> None:
    send(client, room, name="Vánoční účet.txt")
    attachment = Attachment.objects.get()
    assert attachment.original_name == "Vánoční účet.txt"
    assert attachment.content_type == "text/plain", "told by the name, not by the browser"
    (stored,) = media()
    assert "txt" not in stored
    response: Any = client.get(f"{room}files/{attachment.pk}/")
    assert b"".join(response.streaming_content) == b"content"
    close_files(response)
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_file_of_another_room_is_not_found(client: Client, room: str) -> None:
    send(client, room)
    other = submit(client, Session.objects.get().webchat, email="petr@example.com").headers["Location"]
    assert client.get(f"{other}files/{Attachment.objects.get().pk}/").status_code == 404


@pytest.mark.parametrize("name", ["a.exe", "a.html", "a.svg", "a", "a.txt.exe"])
def test_kinds_that_are_not_accepted(client: Client, room: str, name: str) -> None:
    response = send(client, room, name=name)
    assert response.status_code == 422
    assert "Files of this kind are not accepted" in response.content.decode()
    assert (Attachment.objects.count(), media()) == (0, {})


@pytest.mark.parametrize("size", [101, 200_000])
def test_too_large_file_answers_413(client: Client, room: str, settings: Any, size: int) -> None:
    settings.ATTACHMENT_MAX_BYTES = 100
    response = send(client, room, content=b"x" * size)
    assert response.status_code == 413
    assert "The file is too large" in response.content.decode()
    assert (Attachment.objects.count(), media()) == (0, {})


def test_no_file_and_an_empty_file(client: Client, room: str) -> None:
    assert client.post(f"{room}file/").status_code == 422
    assert send(client, room, content=b"").status_code == 422


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\u202egnp.txt", "agnp.txt"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
    ],
)
def test_file_name_is_only_a_name(client: Client, room: str, given: str, kept: str) -> None:
    from sessions_app.forms import AttachmentForm

    upload = SimpleUploadedFile("x.txt", b"x")
    upload._name = given  # type: ignore[attr-defined]  # past Django's own cleaning
    assert AttachmentForm.original_name_of(upload) == kept


def test_leaving_ends_the_conversation(client: Client, room: str) -> None:
    client.post(f"{room}message/", {"text": "Kassiopeia"})
    send(client, room)
    assert client.post(f"{room}leave/").status_code == 302
    session = Session.objects.get()
    assert (session.status, session.ended_by) == ("closed", "visitor")
    html = client.get(room).content.decode()
    assert "The conversation has ended" in html
    assert "Kassiopeia" not in html
    assert client.get(f"{room}files/{Attachment.objects.get().pk}/").status_code == 404
    before = digest()
    late = client.post(f"{room}message/", {"text": "one more thing"})
    assert late.status_code == 409
    assert "one more thing" in late.content.decode(), "what was typed is not lost"
    assert send(client, room).status_code == 409
    assert client.post(f"{room}leave/").status_code == 302
    assert digest() == before
    assert len(media()) == 1


def test_returning_person_sees_nothing_of_earlier_sessions(client: Client, room: str) -> None:
    client.post(f"{room}message/", {"text": "Kassiopeia"})
    again = submit(client, Session.objects.get().webchat).headers["Location"]
    assert Session.objects.values("guest").distinct().count() == 1
    assert "Kassiopeia" not in client.get(again).content.decode()
