"""Test with canaries: unique values that are found before an erasure and not after it.

Each source stores some. They are never in a log.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from anonymization.canary.run import search
from anonymization.canary.values import Canary
from sessions_app import calls, conversation, gate
from sessions_app.models import Attachment, ConsentEvent, Guest, Message, Party, Session, Signal
from sessions_app.ticket import consent_token
from tests.database import media
from tests.factories import AttachmentFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn, entry_url, ticket_in
from webchat.models import OnWithdrawal, WebChat

pytestmark = pytest.mark.django_db

#: The stored values of a visitor, by source. Each is found before the erasure.
STORED = {
    "name": "Xaverius Kanarimeno",
    "email": "kanaremail@example.com",
    "phone": "+420 605 417 239",
    "landing": "https://www.example.com/kanarlanding",
    "referrer": "https://www.example.com/kanarreferrer",
    "parameter": "kanarparameter",
    "browser": "kanarbrowser/1.0",
    "address": "203.0.113.199",
    "message": "kanarmessage of the visitor",
    "answer": "kanaranswer of the operator",
    "file name": "kanarfilename.txt",
    "file": "kanarfilecontent",
    "answered file name": "kanaransweredname.txt",
    "answered file": "kanaransweredcontent",
    "note": "kanarnote",
    "result": "kanarresult",
    "feedback": "kanarfeedback",
    "signal": "kanarsignal",
}
#: Values that are never stored. They must not be found at any time.
PASSING = {
    "looked up": "kanarlookup",
    "admin search": "kanaradminsearch",
    "failed entry": "kanarfailedentry",
    "forged ticket": "kanarforged",
    "unknown path": "kanarunknownpath",
    "query": "kanarquery",
    "late message": "kanarlatemessage",
    "late feedback": "kanarlatefeedback",
    "late signal": "kanarlatesignal",
}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return the output of the configured log handler, with its filter and formatter."""
    # pytest adds its own handlers. This one is the handler of the settings.
    (handler,) = (
        h for h in logging.getLogger("django").handlers if type(h) is logging.StreamHandler
    )
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def enter(webchat: WebChat, *, showroom: bool = False) -> tuple[Session, str]:
    """Pass the gate with canaries in every field. Return the session and the room's URL."""
    url = entry_url(webchat, showroom=showroom)
    visitor = Client(headers={"User-Agent": STORED["browser"]}, REMOTE_ADDR=STORED["address"])
    fields = {
        "ticket": ticket_in(visitor.get(url)),
        "name": STORED["name"],
        "email": STORED["email"],
        "phone": STORED["phone"],
        "consent": "on",
        "landing_page": STORED["landing"],
        "referrer": STORED["referrer"],
        "param.order": STORED["parameter"],
    }
    room = visitor.post(url, fields).headers["Location"]
    visitor.post(f"{room}message/", {"text": STORED["message"]})
    visitor.post(
        f"{room}file/", {"file": SimpleUploadedFile(STORED["file name"], STORED["file"].encode())}
    )
    return Session.objects.latest("pk"), room


def signal(room: str, what: str) -> int:
    """Send a signal of a call as the visitor's browser does. Return the status."""
    return (
        Client()
        .post(f"{room}signal/", {"kind": "offer", "body": json.dumps({"sdp": what})})
        .status_code
    )


def work(session: Session, operator: Client) -> None:
    """Answer, send a file and store a note."""
    page = f"/sessions/{session.pk}/"
    upload = SimpleUploadedFile(STORED["answered file name"], STORED["answered file"].encode())
    assert operator.post(f"{page}answer/", {"text": STORED["answer"]}).status_code == 302
    assert operator.post(f"{page}files/", {"file": upload}).status_code == 302
    assert (
        operator.post(
            f"{page}note/", {"note": STORED["note"], "result": STORED["result"]}
        ).status_code
        == 302
    )
    assert operator.post(f"{page}end/").status_code == 302


def rate(room: str) -> None:
    feedback = {"stars": "2", "text": STORED["feedback"]}
    assert Client().post(f"{room}feedback/", feedback).status_code == 302


def pass_through(webchat: WebChat, support: Client, superuser: Client) -> None:
    """Send values that must not be stored, in requests that succeed and that fail."""
    visitor = Client()
    support.post("/guests/find/", {"name": PASSING["looked up"]})
    superuser.get("/admin/sessions_app/guest/", {"q": PASSING["admin search"]})
    visitor.post(entry_url(webchat), {"ticket": "x", "name": PASSING["failed entry"]})
    visitor.post(entry_url(webchat), {"ticket": PASSING["forged ticket"]})
    visitor.get(f"/{PASSING['unknown path']}/")
    support.get("/sessions/", {"guest": PASSING["query"]})


#: A phone number is also stored as its match key.
CANARIES = [
    Canary(label, (value, "420605417239") if label == "phone" else (value,))
    for label, value in (STORED | PASSING).items()
]


def found(logged: str = "") -> set[str]:
    """Return the labels of canaries that are found anywhere, in any spelling."""
    return search(CANARIES, since=timezone.now(), logged=[logged]).labels


def make_bystander(webchat: WebChat) -> Session:
    """Return the session of another person, with a row in every table."""
    visit = gate.Visit(
        ip_address="203.0.113.8", params={"order": "8"}, landing_page="https://www.example.com/8"
    )
    person = {
        "name": "Petr Malý",
        "email": "petr@example.com",
        "visit": visit,
        "messages": ["Petr's message"],
    }
    session = SessionFactory(webchat=webchat, showroom=True, **person)
    calls.post_signal(session, sender=Party.VISITOR, kind="offer", body='{"sdp": "Petr\'s"}')
    AttachmentFactory(session=session, content=b"Petr's file", original_name="petr.txt")
    conversation.set_note(session, note="Petr's note", result="sold")
    return session


def rows_of(session: Session) -> list[list[dict[str, Any]]]:
    """Return all rows of a session's person, with all columns."""
    tables = (Guest.objects.filter(pk=session.guest_id), Session.objects.filter(pk=session.pk),
              Message.objects.filter(session=session), Attachment.objects.filter(session=session),
              Signal.objects.filter(session=session), ConsentEvent.objects.filter(session=session))  # fmt: skip
    rows = [list(table.values()) for table in tables]
    assert all(rows)
    return rows


def test_nothing_of_a_person_is_left(
    log: io.StringIO, log_in: LogIn, django_capture_on_commit_callbacks: Any, webchat: WebChat
) -> None:
    bystander = make_bystander(webchat)
    operator, support, superuser = log_in("operator"), log_in("support"), log_in("superuser")
    session, room = enter(webchat)
    work(session, operator)
    rate(room)
    # The same person is in a call. Its signals are deleted when it ends.
    _call, calling = enter(webchat, showroom=True)
    assert signal(calling, STORED["signal"]) == 204
    pass_through(webchat, support, superuser)
    assert found() == set(STORED), "the positive control"
    before, files_before = rows_of(bystander), media()

    with django_capture_on_commit_callbacks(execute=True):
        confirm = support.get(f"/guests/{session.guest_id}/anonymize/")
        shown = {f"shown-{label}": count for label, count in confirm.context["shown"]}
        record = support.post(f"/guests/{session.guest_id}/anonymize/", shown)
    assert record.status_code == 302

    assert found() == set()
    assert rows_of(bystander) == before, "a second guest's rows are identical"
    assert (len(files_before), len(media())) == (4, 1)
    assert media().items() <= files_before.items(), "and so are their files"
    assert Client().get(room).status_code == 404
    assert Client().post(f"{room}message/", {"text": PASSING["late message"]}).status_code == 404
    late = {"stars": "1", "text": PASSING["late feedback"]}
    assert Client().post(f"{room}feedback/", late).status_code == 404
    assert signal(calling, PASSING["late signal"]) == 404

    lines = log.getvalue()
    assert "403" in lines, "the failed requests were logged"
    assert found(logged=lines) == set()
    assert found(logged=STORED["note"]) == {"note"}, "the control of the logs"
    assert room.split("/")[2] not in lines


def test_nothing_is_left_where_a_withdrawal_anonymizes_at_once(
    log: io.StringIO, log_in: LogIn, django_capture_on_commit_callbacks: Any
) -> None:
    webchat = WebChatFactory(on_withdrawal=OnWithdrawal.ANONYMIZE)
    session, room = enter(webchat, showroom=True)
    assert signal(room, STORED["signal"]) == 204
    assert "signal" in found()
    work(session, log_in("operator"))
    rate(room)
    assert found() == set(STORED) - {"signal"}, "the positive control; the end took the signal"

    mine = consent_token(room.split("/")[2])
    with django_capture_on_commit_callbacks(execute=True):
        assert Client().post(f"/c/{mine}/withdraw/").status_code == 200

    assert found() == set()
    assert media() == {}
    assert Client().post(f"{room}message/", {"text": PASSING["late message"]}).status_code == 404
    lines = log.getvalue()
    assert "404" in lines
    assert found(logged=lines) == set()
    assert mine not in lines


def test_an_exception_is_logged_without_its_text(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sessions_app import gate

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ValueError(f"could not store {STORED['name']}")

    monkeypatch.setattr(gate, "start_session", fail)
    webchat = WebChatFactory()
    visitor = Client(raise_request_exception=False)
    fields = {
        "ticket": ticket_in(visitor.get(entry_url(webchat))),
        "name": STORED["name"],
        "email": "a@example.com",
    }
    response = visitor.post(entry_url(webchat), fields | {"phone": "603 123 456", "consent": "on"})
    assert response.status_code == 500
    assert STORED["name"] not in response.content.decode()
    assert "ValueError" in log.getvalue()
    assert STORED["name"] not in log.getvalue()


def test_every_erased_field_of_a_session_has_a_canary() -> None:
    """A new field without a canary here fails the test."""
    from anonymization.policy import registry

    covered = {
        "entered_name", "entered_email", "entered_phone", "landing_page", "referrer", "params", "user_agent",
        "ip_address", "note", "result", "feedback_text",
    }  # fmt: skip
    impersonal = {
        "uid",
        "guest",
        "status",
        "created_at",
        "accepted_at",
        "ended_at",
        "waited",
        "operator",
        "duration",
        "room_key",
        "consent_key",
        "withdrawn_at",
        "wants_erasure",
        "receipt_terms",
    }
    assert set(registry.get(Session).erase) == covered | impersonal
