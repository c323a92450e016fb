"""Test the actions of an operator in a conversation."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from sessions_app.models import Party, Session, Status
from tests.factories import SessionFactory, StaffFactory
from tests.pages import LogIn, compact

pytestmark = pytest.mark.django_db
ACTS = ("accept", "answer", "files", "note", "end")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("stranger", 403), ("support", 403), ("administrator", 403)]
)
def test_only_an_operator_may(log_in: LogIn, act: str, role: str, status: int) -> None:
    session = SessionFactory()
    assert log_in(role).post(f"/sessions/{session.pk}/{act}/", {"text": "x"}).status_code == status
    session.refresh_from_db()
    assert (session.status, session.messages_operator) == (Status.WAITING, 0)


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_done_by_get(log_in: LogIn, act: str) -> None:
    session = SessionFactory()
    assert log_in("operator").get(f"/sessions/{session.pk}/{act}/").status_code == 405
    assert log_in("operator").head(f"/sessions/{session.pk}/{act}/").status_code == 405


@pytest.mark.parametrize("act", ACTS)
def test_an_unknown_session_is_not_found(log_in: LogIn, act: str) -> None:
    assert log_in("operator").post(f"/sessions/999999/{act}/").status_code == 404


def test_taking_a_conversation(log_in: LogIn) -> None:
    session = SessionFactory()
    response = log_in("operator").post(f"/sessions/{session.pk}/accept/")
    assert response.headers["Location"] == f"/sessions/{session.pk}/"
    session.refresh_from_db()
    assert session.operator is not None
    assert (session.status, session.operator.username) == (Status.ACTIVE, "operator")


def test_taking_a_conversation_keeps_the_answer_that_was_begun(log_in: LogIn) -> None:
    session = SessionFactory()
    client = log_in("operator")
    page = compact(client.get(f"/sessions/{session.pk}/"))
    assert f'form="answer" formaction="/sessions/{session.pk}/accept/' in page
    assert '<form id="answer"' in page

    response = client.post(f"/sessions/{session.pk}/accept/", {"text": "Good day, I"})

    html = response.content.decode()
    assert response.status_code == 200
    assert "You have taken this conversation." in html
    assert ">\nGood day, I</textarea>" in html
    assert "Take the conversation" not in html
    assert not session.messages.exists()


def test_a_taken_conversation_is_refused_and_the_answer_kept(log_in: LogIn) -> None:
    session = SessionFactory(operator=StaffFactory(username="another"))
    client = log_in("operator")
    response = client.post(f"/sessions/{session.pk}/accept/", {"text": "an answer that was begun"})
    assert response.status_code == 409
    assert "an answer that was begun" in response.content.decode()
    assert (
        "This message was not sent:"
        not in client.post(f"/sessions/{session.pk}/accept/").content.decode()
    )
    response = client.post(f"/sessions/{session.pk}/answer/", {"text": "a long answer"})
    assert response.status_code == 409
    assert "a long answer" in response.content.decode()
    assert "Another operator has taken this conversation." in response.content.decode()
    assert Session.objects.get(pk=session.pk).messages_operator == 0


def test_answering_takes_the_conversation(log_in: LogIn) -> None:
    session = SessionFactory()
    response = log_in("operator").post(f"/sessions/{session.pk}/answer/", {"text": "Good day"})
    assert response.status_code == 302
    message = session.messages.get()
    assert (message.text, message.sender, message.author.username) == (
        "Good day",
        Party.OPERATOR,
        "operator",
    )
    assert Session.objects.get(pk=session.pk).status == Status.ACTIVE


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "a\0b"])
def test_a_wrong_answer_is_shown_again(log_in: LogIn, text: str) -> None:
    session = SessionFactory()
    response = log_in("operator").post(f"/sessions/{session.pk}/answer/", {"text": text})
    assert response.status_code == 422
    assert not session.messages.exists()


@pytest.mark.parametrize("act", ["accept", "answer", "files"])
def test_a_closed_conversation_is_refused(log_in: LogIn, act: str) -> None:
    session = SessionFactory(ended=True)
    data = {"text": "too late", "file": SimpleUploadedFile("a.txt", b"text")}
    response = log_in("operator").post(f"/sessions/{session.pk}/{act}/", data)
    assert response.status_code == 409
    assert "This conversation has ended." in response.content.decode()
    assert act != "answer" or "too late" in response.content.decode()
    assert not session.messages.exists()
    assert not session.attachments.exists()


def test_a_file_is_sent(log_in: LogIn) -> None:
    session = SessionFactory()
    upload = SimpleUploadedFile("offer.pdf", b"%PDF-1.4", content_type="text/html")
    assert (
        log_in("operator").post(f"/sessions/{session.pk}/files/", {"file": upload}).status_code
        == 302
    )
    attachment = session.attachments.get()
    assert (attachment.original_name, attachment.content_type) == ("offer.pdf", "application/pdf")
    assert attachment.author.username == "operator"


@pytest.mark.parametrize(
    ("name", "content", "status"), [("a.exe", b"x", 422), ("a.txt", b"", 422), ("", b"", 422)]
)
def test_a_wrong_file_is_refused(log_in: LogIn, name: str, content: bytes, status: int) -> None:
    session = SessionFactory()
    data = {"file": SimpleUploadedFile(name, content)} if name else {}
    response = log_in("operator").post(f"/sessions/{session.pk}/files/", data)
    assert response.status_code == status
    assert not session.attachments.exists()


def test_a_note_is_stored_also_after_the_end(log_in: LogIn) -> None:
    session = SessionFactory(ended=True)
    data = {"note": "Calls back", "result": "sold"}
    assert log_in("operator").post(f"/sessions/{session.pk}/note/", data).status_code == 302
    session.refresh_from_db()
    assert (session.note, session.result) == ("Calls back", "sold")


def test_a_note_to_an_anonymized_session_is_refused_and_kept_on_the_page(log_in: LogIn) -> None:
    session = SessionFactory(anonymized=True)
    response = log_in("operator").post(
        f"/sessions/{session.pk}/note/", {"note": "my note", "result": ""}
    )
    assert response.status_code == 409
    assert "my note" in response.content.decode()
    assert "This session was anonymized." in response.content.decode()
    session.refresh_from_db()
    assert session.note == ""


@pytest.mark.parametrize("data", [{"note": "a\0b"}, {"result": "x" * 201}, {"note": "x" * 10_001}])
def test_a_wrong_note_is_shown_again(log_in: LogIn, data: dict[str, str]) -> None:
    session = SessionFactory()
    assert log_in("operator").post(f"/sessions/{session.pk}/note/", data).status_code == 422


def test_ending_twice_changes_nothing(log_in: LogIn) -> None:
    session = SessionFactory()
    client = log_in("operator")
    assert client.post(f"/sessions/{session.pk}/end/").status_code == 302
    ended = Session.objects.get(pk=session.pk).ended_at
    assert client.post(f"/sessions/{session.pk}/end/").status_code == 302
    session.refresh_from_db()
    assert (session.status, session.ended_by, session.ended_at) == (
        Status.CLOSED,
        Party.OPERATOR,
        ended,
    )
