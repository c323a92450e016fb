"""Test that no other website can send the entry form in the visitor's name."""

from __future__ import annotations

import pytest
from django.test import Client

from sessions_app.models import Session
from tests.pages import COMPLETE, entry_url, ticket_in
from webchat.models import WebChat

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Origin": "https://shop.example"},
    {"Origin": "https://testserver"},
    {"Origin": "http://testserver:8080"},
    {"Origin": "http://testserver.shop.example"},
    {"Origin": "null"},
    {"Origin": ""},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://testserver"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
    # A page whose policy is "no-referrer" sends this origin to its own server, too.
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    # The visitor repeats a request from the browser's own surface.
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("showroom", [False, True])
def test_form_of_another_website_answers_403_and_stores_nothing(
    client: Client, webchat: WebChat, headers: dict[str, str], showroom: bool
) -> None:
    url = entry_url(webchat, showroom=showroom)
    signed = ticket_in(client.get(url))
    response = client.post(url, {"ticket": signed, **COMPLETE}, headers=headers)
    assert response.status_code == 403
    page = response.content.decode()
    assert "Another website sent this form." in page
    assert 'value="Jana Nováková"' in page, "nothing typed is lost"
    assert "checked" not in page, "the visitor has to consent here"
    assert not Session.objects.exists()


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_own_form_starts_a_conversation(
    client: Client, webchat: WebChat, headers: dict[str, str]
) -> None:
    url = entry_url(webchat)
    signed = ticket_in(client.get(url))
    response = client.post(url, {"ticket": signed, **COMPLETE}, headers=headers)
    assert response.status_code == 302
    assert Session.objects.count() == 1
