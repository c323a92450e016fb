"""Test the visitor's room: access by its URL only, and safe output."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessions_app import conversation
from sessions_app.models import Attachment, Message, Party, Session
from tests.database import digest, media
from tests.factories import ConsentVersionFactory, ErasureFactory, MessageFactory, WebChatFactory
from tests.pages import LogIn, close_files, compact, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(client: Client) -> str:
    return submit(client, WebChatFactory()).headers["Location"]


def send(client: Client, room: str, name: str = "a.txt", content: bytes = b"content") -> Any:
    return client.post(
        f"{room}file/", {"file": SimpleUploadedFile(name, content, content_type="text/html")}
    )


def test_both_sides_are_shown(client: Client, room: str) -> None:
    sent = client.post(f"{room}message/", {"text": "<b>Hello</b>"})
    assert sent.headers["Location"] == f"{room}#message_text", (
        "the caret goes back into the text area"
    )
    MessageFactory(session=Session.objects.get(), sender=Party.OPERATOR, text="Good day")
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
    assert re.search(r"<textarea[^>]+ autofocus", response.content.decode())
    assert not Message.objects.exists()


def test_unknown_and_foreign_rooms_are_not_found(client: Client, room: str) -> None:
    for token in ("x", "0" * 64, room.split("/")[2][:-1] + "g", room.split("/")[2].upper()):
        assert client.get(f"/r/{token}/").status_code == 404
        assert client.post(f"/r/{token}/message/", {"text": "x"}).status_code == 404


def test_file_is_stored_under_a_random_name_and_downloaded_safely(
    client: Client, room: str
) -> None:
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
    other = submit(client, Session.objects.get().webchat, email="petr@example.com").headers[
        "Location"
    ]
    assert client.get(f"{other}files/{Attachment.objects.get().pk}/").status_code == 404


@pytest.mark.parametrize("name", ["a.exe", "a.html", "a.svg", "a", "a.txt.exe"])
def test_kinds_that_are_not_accepted(client: Client, room: str, name: str) -> None:
    response = send(client, room, name=name)
    assert response.status_code == 422
    assert "This file type is not accepted" in response.content.decode()
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
    send(client, room)
    assert client.post(f"{room}leave/").status_code == 302
    session = Session.objects.get()
    assert (session.status, session.ended_by) == ("closed", "visitor")
    html = client.get(room).content.decode()
    assert "You have ended the conversation." in html
    assert re.findall(r'<form[^>]+action="([^"]+)"', html) == [f"{room}feedback/"]
    before = digest()
    late = client.post(f"{room}message/", {"text": "one more thing"})
    assert late.status_code == 409
    assert "one more thing" in late.content.decode(), "what was typed is not lost"
    assert send(client, room).status_code == 409
    assert client.post(f"{room}leave/").status_code == 302
    assert digest() == before
    assert len(media()) == 1


def test_feedback_is_given_after_the_end_and_can_be_changed(
    client: Client, room: str, log_in: LogIn
) -> None:
    before = digest()
    assert client.post(f"{room}feedback/", {"stars": "4", "text": "too early"}).status_code == 409
    assert digest() == before
    client.post(f"{room}leave/")
    given = client.post(f"{room}feedback/", {"stars": "4", "text": "Kassiopeia"})
    assert given.headers["Location"] == f"{room}#feedback"
    html = compact(client.get(room))
    assert "Thank you for your feedback" in html
    assert 'value="4" checked' in html
    assert "Kassiopeia" in html
    staff = compact(log_in("support").get(f"/sessions/{Session.objects.get().pk}/"))
    assert "Kassiopeia" in staff
    assert "<dt>Stars</dt><dd>4</dd>" in staff
    client.post(f"{room}feedback/", {"stars": "1", "text": ""})
    session = Session.objects.get()
    assert (session.feedback_stars, session.feedback_text) == (1, "")


@pytest.mark.parametrize(
    "data", [{}, {"stars": "0"}, {"stars": "6"}, {"stars": "x"}, {"stars": "1", "text": "a\0b"}]
)
def test_wrong_feedback_is_shown_again(client: Client, room: str, data: dict[str, str]) -> None:
    client.post(f"{room}leave/")
    before = digest()
    response = client.post(f"{room}feedback/", data)
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()
    assert digest() == before


def test_a_form_that_a_script_sends_is_answered_without_a_page(client: Client, room: str) -> None:
    script = {"X-Fetched": "1"}
    sent = client.post(f"{room}message/", {"text": "Hello"}, headers=script)
    assert (sent.status_code, sent.content) == (204, b"")
    assert client.post(f"{room}message/", {"text": ""}, headers=script).status_code == 422
    assert Message.objects.get().text == "Hello"
    client.post(f"{room}leave/")
    assert client.post(f"{room}message/", {"text": "late"}, headers=script).status_code == 409


def test_the_page_says_where_its_stream_is_and_begins_it_behind_what_it_shows(
    client: Client, room: str
) -> None:
    client.post(f"{room}message/", {"text": "Hello"})
    html = client.get(room).content.decode()
    key = Message.objects.get().pk
    assert (
        f'data-stream="/events/room/{room.split("/")[2]}/" data-after="{key}-0-0-waiting"' in html
    )
    assert f'id="message-{key}"' in html


def test_ended_conversation_can_be_read_until_it_is_erased(client: Client, room: str) -> None:
    client.post(f"{room}message/", {"text": "Kassiopeia"})
    send(client, room, name="letter.txt")
    session, file = Session.objects.get(), f"{room}files/{Attachment.objects.get().pk}/"
    conversation.end_session(session, by=Party.OPERATOR)
    for page in (
        client.get(room),
        client.get(f"{room}transcript/"),
        client.post(f"{room}message/", {"text": "x"}),
    ):
        html = page.content.decode()
        assert "Kassiopeia" in html
        assert file in html
    response: Any = client.get(file)
    assert b"".join(response.streaming_content) == b"content"
    close_files(response)
    ErasureFactory(subject=session)
    for url in (room, f"{room}transcript/", file):
        gone = client.get(url)
        assert gone.status_code == 404
        assert "Kassiopeia" not in gone.content.decode()


def test_the_text_agreed_to_is_one_click_away(client: Client, room: str) -> None:
    webchat = Session.objects.get().webchat
    ConsentVersionFactory(webchat=webchat, wording="A newer wording.")
    link = f'href="/w/{webchat.public_id}/consent/1/en/"'
    assert link in client.get(room).content.decode()
    client.post(f"{room}leave/")
    assert link in client.get(room).content.decode()
    without = submit(client, WebChatFactory(entry_form="none", showroom_form="none")).headers[
        "Location"
    ]
    assert "/consent/" not in client.get(without).content.decode()


def test_frame_without_scripts_reloads_itself_and_contains_no_frame(
    client: Client, room: str
) -> None:
    """With a fragment, an address in the refresh would jump within the page, not load it."""
    html = client.get(f"{room}transcript/").content.decode()
    assert '<meta http-equiv="refresh" content="5">' in html
    assert "#" not in re.search(r'<iframe[^>]+src="([^"]+)"', client.get(room).content.decode())[1]  # type: ignore[index]
    assert "site-header" not in html
    client.post(f"{room}leave/")
    assert "refresh" not in client.get(f"{room}transcript/").content.decode()


def test_returning_person_sees_nothing_of_earlier_sessions(client: Client, room: str) -> None:
    client.post(f"{room}message/", {"text": "Kassiopeia"})
    again = submit(client, Session.objects.get().webchat).headers["Location"]
    assert Session.objects.values("guest").distinct().count() == 1
    assert "Kassiopeia" not in client.get(again).content.decode()
