"""Test the expected status of every call, method and right, in one table."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from django.test import Client

from api.models import Right
from sessions_app import conversation, gate
from sessions_app.models import Guest, Session
from tests.database import digest
from tests.factories import AttachmentFactory, SessionFactory, StaffFactory
from tests.test_permission_matrix import routes

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
READ, PERSONAL, ERASE, ERASE_GUESTS = Right.values

#: Call → (right, status by method with the right). Every other method is 405 for all clients.
CALLS: dict[str, tuple[str, dict[str, int]]] = {
    "/api/v1/Sessions": (READ, {"GET": 200, "HEAD": 200}),
    "/api/v1/Sessions/{session}": (READ, {"GET": 200, "HEAD": 200}),
    "/api/v1/Sessions/999999": (READ, {"GET": 404, "HEAD": 404}),
    "/api/v1/Guests/{guest}": (READ, {"GET": 200, "HEAD": 200}),
    "/api/v1/Guests/999999": (READ, {"GET": 404, "HEAD": 404}),
    "/api/v1/Guests/find": (PERSONAL, {"POST": 400}),
    **{
        f"/api/v1/Sessions/{{{key}}}/{verb}": (ERASE, {"POST": status, "PUT": status})
        for verb in ("anonymous", "anonymize")
        for key, status in (("session", 204), ("unknown", 404))
    },
    **{
        f"/api/v1/{name}/{{{key}}}/{verb}": (ERASE_GUESTS, {"POST": status, "PUT": status})
        for name in ("Guest", "Guests")
        for verb in ("anonymous", "anonymize")
        for key, status in (("guest", 204), ("unknown", 404))
    },
}


@pytest.fixture
def ids() -> dict[str, int | None]:
    session = SessionFactory()
    return {"session": session.pk, "guest": session.guest_id, "unknown": 999_999}


def test_every_call_is_in_the_table() -> None:
    routed = {route for route in routes() if route.startswith("api/v1/")} - {"api/v1/<path:rest>"}
    listed = {re.sub(r"\{\w+\}|999999", "<id:pk>", call).removeprefix("/") for call in CALLS}
    assert routed == listed


def subsets() -> list[tuple[str, ...]]:
    return [s for n in range(1, 5) for s in itertools.combinations(Right.values, n)]


@pytest.mark.any_database
@pytest.mark.parametrize("rights", subsets(), ids="+".join)
def test_each_call_needs_its_right(api: Any, ids: dict[str, int], rights: tuple[str, ...]) -> None:
    caller = api(*rights)
    wrong = []
    # Reading calls come before erasing calls.
    for call, (right, answers) in sorted(CALLS.items(), key=lambda item: "anony" in item[0]):
        for method in METHODS:
            response = caller.client.generic(method, call.format(**ids))
            let_in = answers.get(method, 405)
            expected = let_in if right in rights or let_in == 405 else 403
            if response.status_code != expected:
                wrong.append((call, method, response.status_code, "expected", expected))
            if response.status_code == 405:
                assert set(response.headers["Allow"].split(", ")) == set(answers)
    assert wrong == []


@pytest.mark.any_database
def test_nobody_gets_in_and_nothing_changes(ids: dict[str, int]) -> None:
    before = digest()
    for call, (_right, answers) in CALLS.items():
        for method in METHODS:
            response = Client().generic(method, call.format(**ids))
            assert response.status_code == (401 if method in answers else 405), (call, method)
    assert digest() == before


def test_reading_never_erases(api: Any, ids: dict[str, int]) -> None:
    caller = api()
    for call in CALLS:
        for method in ("GET", "HEAD", "PATCH", "DELETE", "OPTIONS"):
            caller.client.generic(method, call.format(**ids))
    assert Session.objects.get().anonymized_in is None
    assert Guest.objects.get().name == "Jana Nováková"


@pytest.mark.parametrize("right", [READ, ERASE])
def test_the_answer_to_an_unknown_id_is_always_the_same(api: Any, right: str) -> None:
    """An id that is too large or not a number is treated as unknown."""
    SessionFactory()
    caller, verb = api(right), "/anonymize" if right == ERASE else ""
    bodies = {
        (response.status_code, response.content)
        for bad in (
            "999999",
            "0",
            "-1",
            "null",
            "%25",
            "1,2",
            str(2**63),
            "1e3",
            "٣",
            "01",
            "[1]",
            "%00",
            "a/b",
        )
        for response in [
            caller.client.generic("POST" if verb else "GET", f"/api/v1/sessions/{bad}{verb}")
        ]
    }
    assert {status for status, _body in bodies} == {404}
    assert len(bodies) == 1
    assert api(*Right.values).get("/api/v1/sessions/999999").content == next(iter(bodies))[1]


def test_without_the_right_no_person_is_shown(api: Any) -> None:
    session = SessionFactory(
        visit=gate.Visit(
            ip_address="203.0.113.77",
            user_agent="Kanarbrowser Firefox/9",
            landing_page="https://shop.example/kanarpage",
            params={"kanarparam": "kanarvalue"},
        ),
        name="Kanar Kanarova",
        email="kanar@example.com",
        phone="603 777 888",
        messages=["kanartext"],
        operator=StaffFactory(),
    )
    conversation.set_note(session, note="kanarnote", result="")
    AttachmentFactory(session=session, original_name="kanarfile.txt")
    Session.objects.update(feedback_text="kanarfeedback", feedback_stars=4)
    seeing, blind = api(READ, PERSONAL), api(READ)
    for path in ("/api/v1/Sessions", f"/api/v1/Sessions/{session.pk}"):
        shown = seeing.get(path).getvalue().decode().lower()
        for value in ("kanarova", "kanar@", "777 888", "113.77", "kanarpage", "kanarvalue", "kanartext", "kanarnote",
                      "kanarfeedback", "kanarfile", '"ff"'):  # fmt: skip
            assert value in shown, "the positive control"
        hidden = blind.get(path).getvalue().decode().lower()
        assert "kanar" not in hidden
        assert "113.77" not in hidden
        assert "777 888" not in hidden
        assert '"ff"' not in hidden
        assert '"gdprversion":"1/en"' in hidden
        assert '"guestfeedbackstars":4' in hidden
    person = f"/api/v1/Guests/{session.guest_id}"
    for value in ("kanar kanarova", "kanar@", "777 888"):
        assert value in seeing.get(person).content.decode().lower(), "the positive control"
        assert value not in blind.get(person).content.decode().lower()


@pytest.mark.parametrize(
    "name",
    ["Browser", "os", "LandingPage.Text", "landingpage.exact", "IPAddress.Exact", "IPAddress.Null"],
)
def test_nobody_guesses_a_person_by_a_filter(api: Any, name: str) -> None:
    assert api(READ).get("/api/v1/Sessions", **{name: "203.0.113.7"}).status_code == 403
