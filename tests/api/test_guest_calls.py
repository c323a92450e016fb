"""Test finding a person through the API: by POST, with clear errors and complete results."""

from __future__ import annotations

import json
from typing import Any

import factory
import pytest

from tests.factories import GuestFactory, SessionFactory

pytestmark = pytest.mark.django_db


def test_a_guest_is_found_by_what_a_program_knows(api: Any) -> None:
    session = SessionFactory(name="Jana Nováková", email="Jana@Example.com", phone="603 123 456")
    SessionFactory(email="other@example.com")
    caller = api()
    found = caller.post("/api/v1/Guests/find", {"email": "JANA@example.com"}).json()
    assert [(row["id"], row["email"], row["matches"], row["sessions"]) for row in found] == [
        (session.guest_id, "Jana@Example.com", ["email"], 1)
    ]
    both = caller.post(
        "/api/v1/guests/FIND/", {"name": "jana novakova", "phone": "+420603123456"}
    ).json()
    assert [row["matches"] for row in both] == [["name", "phone"], ["name", "phone"]]
    assert caller.post("/api/v1/Guests/find", {"email": "nobody@example.com"}).json() == []
    assert caller.get("/api/v1/Guests/find").status_code == 405


def test_a_part_of_the_name_is_no_name(api: Any) -> None:
    """A program that reads ``matches`` before it anonymizes must not take a stranger for the person."""
    GuestFactory(name="Jan Nováček", email="jan@example.com")
    caller = api()
    for name, matches in (("Jan Nová", ["namePart", "email"]), ("Nováček, Jan", ["name", "email"])):
        found = caller.post("/api/v1/Guests/find", {"name": name, "email": "jan@example.com"})
        assert [row["matches"] for row in found.json()] == [matches]


def test_more_guests_than_an_answer_holds_are_not_passed_over_in_silence(api: Any) -> None:
    emails = factory.Sequence(lambda number: f"jan{number}@example.com")
    GuestFactory.create_batch(51, name="Jan Novák", email=emails)
    response = api().post("/api/v1/Guests/find", {"name": "Jan Novák"})
    assert (response.status_code, list(response.json())) == (400, ["detail"])
    assert len(api().post("/api/v1/Guests/find", {"email": "jan7@example.com"}).json()) == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "detail"),
        ({"email": ""}, "email"),
        ({"email": None}, "email"),
        ({"email": ["a@example.com"]}, "email"),
        ({"email": {"a": "b"}}, "email"),
        ({"email": "a\0@example.com"}, "email"),
        ({"name": "\ud800"}, "name"),
        ({"phone": "12"}, "phone"),
        ({"email": "eva"}, "email"),
        ({"email": "eva@example.com, jan@example.com"}, "email"),
        ({"phone": "+420603123456, +420604111222"}, "phone"),
        ({"mail": "a@example.com"}, "mail"),
        ([], "detail"),
        ("a@example.com", "detail"),
        (None, "detail"),
        (7, "detail"),
    ],
)
def test_a_wrong_search_is_explained(api: Any, body: Any, named: str) -> None:
    caller = api()
    response = caller.client.post(
        "/api/v1/Guests/find", json.dumps(body), content_type="application/json"
    )
    assert response.status_code == 400
    assert list(response.json()) == [named]
    assert all(isinstance(message, str) for message in response.json().values())


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("[" * 100_000, "application/json", 400),
        ('{"a":' * 50_000, "application/json", 400),
        ("{", "application/json", 400),
        ("1" * 5000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        ("{}", "text/plain", 415),
        ("{}", "Application/JSON; charset=utf-8", 400),
        ("email=a", "application/x-www-form-urlencoded", 415),
        ("<x/>", "application/xml", 415),
    ],
)
def test_a_body_that_cannot_be_read(api: Any, body: Any, content_type: str, status: int) -> None:
    response = api().client.post("/api/v1/Guests/find", body, content_type=content_type)
    assert response.status_code == status
    assert list(response.json()) == ["detail"]


def test_nobody_is_looked_up_by_an_address(api: Any) -> None:
    assert api().get("/api/v1/Guests", email="a@example.com").status_code == 404
