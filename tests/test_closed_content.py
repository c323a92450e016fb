"""Test that a legal hold and a withdrawal hide the content of a session (GDPR Art. 18(2)).

The content is on pages, in streams, files and CSV, and in the API.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from mluvii_gdpr.streams.admission import Asked, Refused, admit
from sessions_app import consent, conversation
from sessions_app.masking import Reader, hidden_guests
from sessions_app.models import Party, Session, Status
from tests.api.conftest import Caller, token_for
from tests.factories import (
    ApiClientFactory,
    AttachmentFactory,
    ErasureFactory,
    HoldFactory,
    SessionFactory,
)
from tests.pages import LogIn, close_files
from tests.test_permission_matrix import PUBLIC, TABLE

pytestmark = pytest.mark.django_db

NAME, EMAIL, PHONE = "Skrytá Žaneta", "skryta@example.com", "+420 603 999 888"
#: A unique word for each place where a session has content.
WORDS = {
    "name": "Žaneta", "email": "skryta@", "phone": "603 999 888", "message": "Kassiopeia",
    "file name": "Andromeda", "file": "Betelgeuze", "parameter": "Cepheus", "address": "203.0.113.77",
    "browser": "Delphinus", "page": "Eridanus", "referrer": "Fornax", "note": "Gemini", "result": "Hydra",
    "feedback": "Indus",
}  # fmt: skip
COLUMNS = {"columns": ["id", "name", "email", "phone"]}


def talk(**values: Any) -> Session:
    """Return an ended session with all kinds of content."""
    session = SessionFactory(
        name=NAME, email=EMAIL, phone=PHONE, messages=[WORDS["message"]], **values
    )
    AttachmentFactory(
        session=session, content=WORDS["file"].encode(), original_name=f"{WORDS['file name']}.txt"
    )
    conversation.end_session(session, by=Party.VISITOR)
    Session.objects.filter(pk=session.pk).update(
        params={"order": WORDS["parameter"]}, ip_address=WORDS["address"],
        user_agent=WORDS["browser"], landing_page=f"https://example.com/{WORDS['page']}",
        referrer=f"https://example.com/{WORDS['referrer']}", note=WORDS["note"],
        result=WORDS["result"], feedback_text=WORDS["feedback"],
    )  # fmt: skip
    return Session.objects.get(pk=session.pk)


def close(session: Session, how: str) -> None:
    if how == "withdrawn":
        consent.withdraw_consent(session)
    else:
        HoldFactory(subject=session, of_guest=how == "guest held")


def words_in(response: Any) -> set[str]:
    """Return the places whose word the response contains."""
    content = response.getvalue() if response.streaming else response.content
    text = content.decode(errors="replace")
    close_files(response)
    return {place for place, word in WORDS.items() if word in text}


def addresses(session: Session) -> Iterator[str]:
    """Yield every staff page that is read. A new route must be listed, or its test fails."""
    ids = {
        "session": session.pk,
        "called": session.pk,
        "guest": session.guest_id,
        "file": session.attachments.get().pk,
        "webchat": session.webchat_id,
        "erasure": ErasureFactory(subject__new_guest=True).pk,
        "client": ApiClientFactory().pk,
        "hold": 1,
    }
    for row in TABLE.values():
        if row.right != PUBLIC and "GET" in row.answers:
            yield row.url.format(**ids)


def posts(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the pages that answer a POST with data of a session."""
    yield "/guests/find/", {"name": NAME}
    yield "/sessions/anonymize/", {"session": [session.pk]}
    yield f"/sessions/{session.pk}/anonymize/", {}
    yield f"/guests/{session.guest_id}/anonymize/", {}
    yield f"/sessions/{session.pk}/answer/", {"text": ""}
    yield f"/sessions/{session.pk}/note/", {"note": "x" * 10_001}
    yield f"/sessions/{session.pk}/accept/", {}


CASES = [
    *itertools.product(["held", "guest held"], ["administrator", "support", "operator"]),
    *itertools.product(["withdrawn"], ["administrator", "operator"]),
]


@pytest.mark.parametrize(("how", "role"), CASES)
def test_no_page_shows_closed_content(how: str, role: str, log_in: LogIn) -> None:
    session, client = talk(), log_in(role)
    client.post("/sessions/columns/", COLUMNS)
    close(session, how)
    shown = {url: words_in(client.get(url)) for url in addresses(session)}
    assert f"/sessions/{session.pk}/transcript/" in shown
    for url, fields in posts(session):
        # The form shows what was typed.
        shown[f"POST {url}"] = words_in(client.post(url, fields)) - fields.keys()
    assert {url: places for url, places in shown.items() if places} == {}


@pytest.mark.parametrize(
    ("how", "role"),
    [
        ("held", "officer"),
        ("guest held", "officer"),
        ("withdrawn", "officer"),
        ("withdrawn", "support"),
    ],
)
def test_those_who_decide_see_all_of_it(how: str, role: str, log_in: LogIn) -> None:
    session, client = talk(), log_in(role)
    client.post("/sessions/columns/", COLUMNS)
    close(session, how)
    page = words_in(client.get(f"/sessions/{session.pk}/"))
    assert page == WORDS.keys() - {"file"}
    person = {"name", "email", "phone"}
    assert words_in(client.get("/sessions/")) == person
    assert words_in(client.get(f"/guests/{session.guest_id}/")) == person
    assert words_in(client.post("/guests/find/", {"name": NAME})) == person
    file = session.attachments.get()
    assert words_in(client.get(f"/sessions/{session.pk}/files/{file.pk}/")) == {"file"}
    assert words_in(client.get(f"/sessions/{session.pk}/transcript/")) >= {"message", "file name"}


def test_the_csv_is_masked_where_the_page_is(log_in: LogIn) -> None:
    from django.contrib.auth.models import Permission, User

    client = log_in("support")
    permission = Permission.objects.get(codename="export_sessions")
    User.objects.get(username="support").user_permissions.add(permission)
    closed, free = talk(), SessionFactory(name="Volný Viktor", email="v@example.com")
    client.post("/sessions/columns/", COLUMNS)
    close(closed, "held")
    rows = client.get("/sessions/export/").getvalue().decode("utf-8-sig").splitlines()
    assert f"{closed.pk},•••,•••,•••" in rows
    assert any(row.startswith(f"{free.pk},Volný Viktor,v@example.com") for row in rows)


@pytest.mark.parametrize("url", ["transcript/", "files/{file}/", "signal/", "ice/"])
def test_a_page_with_only_content_is_refused_or_masked(url: str, log_in: LogIn) -> None:
    session = talk()
    close(session, "held")
    address = f"/sessions/{session.pk}/{url.format(file=session.attachments.get().pk)}"
    assert log_in("operator").get(address).status_code == (200 if url == "transcript/" else 403)


@pytest.mark.parametrize("act", ["accept", "release", "answer", "files", "note", "end"])
def test_no_operator_changes_a_held_session(act: str, log_in: LogIn) -> None:
    session = talk()
    close(session, "held")
    response = log_in("operator").post(f"/sessions/{session.pk}/{act}/", {"note": "overwritten"})
    assert response.status_code == 403
    assert Session.objects.get().note == WORDS["note"]


def test_an_operator_goes_on_with_an_open_conversation_of_a_held_guest(log_in: LogIn) -> None:
    """Operators see it: the person is talking to them and has consented."""
    HoldFactory(of_guest=True)
    session = SessionFactory(messages=["Kassiopeia"])
    assert session.is_held
    operator = log_in("operator")
    assert words_in(operator.get(f"/sessions/{session.pk}/")) == {"message"}
    assert operator.post(f"/sessions/{session.pk}/answer/", {"text": "Hello"}).status_code == 302
    conversation.end_session(session, by=Party.OPERATOR)
    assert words_in(operator.get(f"/sessions/{session.pk}/")) == set()


def test_a_typed_note_comes_back_after_a_withdrawal(log_in: LogIn) -> None:
    session = talk()
    close(session, "withdrawn")
    response = log_in("operator").post(f"/sessions/{session.pk}/note/", {"note": "Just typed"})
    assert response.status_code == 409
    assert "Just typed" in response.content.decode()
    assert words_in(response) == set()


# The API ------------------------------------------------------------------------------------------------


@pytest.fixture
def caller() -> Caller:
    return Caller(token_for(ApiClientFactory()))


@pytest.mark.parametrize("how", ["held", "guest held", "withdrawn"])
def test_the_api_answers_as_without_the_right(how: str, caller: Caller) -> None:
    session = talk()
    close(session, how)
    without = Caller(token_for(ApiClientFactory(rights=["read_sessions"])))
    for path in ("Sessions", f"Sessions/{session.pk}", f"Guests/{session.guest_id}"):
        answer = caller.get(f"/api/v1/{path}")
        assert answer.getvalue() == without.get(f"/api/v1/{path}").getvalue()
        assert words_in(answer) == set()
    found = caller.post("/api/v1/Guests/find", {"email": EMAIL})
    assert [(guest["id"], guest["name"]) for guest in found.json()] == [(session.guest_id, "")]
    assert words_in(found) == set()


@pytest.mark.parametrize("how", ["held", "guest held", "withdrawn"])
@pytest.mark.parametrize(
    "query",
    [
        {"IPAddress.Exact": WORDS["address"]},
        {"IPAddress.Null": "false"},
        {"LandingPage.Text": WORDS["page"]},
        {"Browser": "OTHER"},
        {"OS": "OTHER"},
    ],
    ids=lambda query: next(iter(query)),
)
def test_no_filter_reveals_closed_content(how: str, query: dict[str, str], caller: Caller) -> None:
    session, free = talk(), talk(new_guest=False)
    other = SessionFactory(new_guest=True)
    for one in (free, other):
        Session.objects.filter(pk=one.pk).update(
            guest=None, ip_address=WORDS["address"], landing_page=WORDS["page"], user_agent=""
        )
    close(session, how)
    assert session.pk not in [row["id"] for row in caller.sessions(**query)]
    assert other.pk in [row["id"] for row in caller.sessions(**query)]


# Streams ------------------------------------------------------------------------------------------------


def ask(client: Client, path: str) -> Asked:
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    headers = [(b"host", b"testserver"), (b"cookie", cookie.encode())]
    return Asked({"type": "http", "method": "GET", "path": path, "headers": headers})


@pytest.mark.parametrize(("how", "role"), CASES)
def test_no_stream_of_a_closed_session_begins_or_goes_on(
    how: str, role: str, log_in: LogIn
) -> None:
    session, client = talk(), log_in(role)
    asked = ask(client, f"/events/session/{session.pk}/")
    watch: Any = None
    if role != "administrator":
        watch, _owner, _limit = admit(asked)
        assert watch.allowed()
    close(session, how)
    with pytest.raises(Refused) as refused:
        admit(asked)
    assert refused.value.status == 403
    assert watch is None or not watch.allowed()


def test_an_officer_watches_a_held_session(log_in: LogIn) -> None:
    session = talk()
    close(session, "held")
    watch, _owner, _limit = admit(ask(log_in("officer"), f"/events/session/{session.pk}/"))
    assert watch.allowed is not None
    assert watch.allowed()


# The decision ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rights", list(itertools.product([False, True], repeat=4)))
def test_row_and_query_decide_alike(rights: tuple[bool, ...]) -> None:
    reader = Reader(*rights)
    for ended, held, withdrawn in itertools.product([False, True], [False, True], [False, True]):
        session = SessionFactory(new_guest=True, ended=ended)
        if held:
            HoldFactory(subject=session)
        if withdrawn:
            consent.withdraw_consent(session)
    decided = {s.pk: reader.may_see(s) for s in Session.objects.all()}
    selected = set(Session.objects.filter(reader.visible()).values_list("pk", flat=True))
    assert {pk for pk, may in decided.items() if may} == selected
    annotated = Session.objects.with_holds()
    assert {s.pk for s in annotated if reader.may_see(s)} == selected
    hidden = hidden_guests(reader, [s.guest_id for s in annotated])
    assert hidden.keys() == {s.guest_id for s in annotated if s.pk not in selected}


def test_a_guest_is_hidden_only_if_all_sessions_are() -> None:
    first, second = talk(), talk()
    support = Reader(sees_people=True, decides_on_withdrawals=True)
    HoldFactory(subject=first)
    assert hidden_guests(support, [first.guest_id]) == {}
    HoldFactory(subject=second)
    assert hidden_guests(support, [first.guest_id]).keys() == {first.guest_id}


def test_a_held_guest_is_hidden_even_with_an_open_conversation(log_in: LogIn) -> None:
    session = SessionFactory(name=NAME, email=EMAIL, phone=PHONE)
    HoldFactory(subject=session, of_guest=True)
    operator = log_in("operator")
    assert words_in(operator.get(f"/sessions/{session.pk}/")) == {"name", "email", "phone"}
    assert words_in(operator.get(f"/guests/{session.guest_id}/")) == set()


def test_a_page_of_sessions_costs_no_query_for_each_hold(
    log_in: LogIn, django_assert_num_queries: Any
) -> None:
    support = log_in("support")

    def queries() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            support.get("/sessions/")
        return len(captured)

    HoldFactory()
    support.get("/sessions/")
    few = queries()
    for _number in range(3):
        HoldFactory(subject=SessionFactory(new_guest=True, ended=True))
    assert queries() == few
    assert Session.objects.filter(status=Status.CLOSED).count() == 4
