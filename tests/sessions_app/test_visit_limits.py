"""Test that long values of the browser and of the embedding page are cut, not refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from sessions_app.models import Session
from tests.factories import WebChatFactory
from tests.pages import entry_url, submit

pytestmark = pytest.mark.django_db


def stored(client: Client, **fields: str) -> Session:
    assert submit(client, WebChatFactory(), **fields).status_code == 302
    return Session.objects.get()


@pytest.mark.parametrize("letter", ["v", "ž", "😀"])
@pytest.mark.parametrize(("length", "kept"), [(499, 499), (500, 500), (501, 500), (5000, 500)])
def test_a_parameter_has_500_characters(
    client: Client, letter: str, length: int, kept: int
) -> None:
    assert stored(client, **{"param.order": letter * length}).params == {"order": letter * kept}


@pytest.mark.parametrize(("length", "kept"), [(49, 49), (50, 50), (51, 50), (900, 50)])
def test_a_parameter_has_a_name_of_50_characters(client: Client, length: int, kept: int) -> None:
    assert stored(client, **{f"param.{'n' * length}": "1"}).params == {"n" * kept: "1"}


@pytest.mark.parametrize(("count", "kept"), [(19, 19), (20, 20), (21, 20), (200, 20)])
def test_a_session_has_20_parameters_the_first_ones(client: Client, count: int, kept: int) -> None:
    given = {f"param.{number}": "1" for number in range(count)}
    assert list(stored(client, **given).params) == [str(number) for number in range(kept)]


def test_control_characters_take_no_place_in_a_parameter(client: Client) -> None:
    session = stored(client, **{"param.or\x00der": "\x07" * 300 + "v" * 500})
    assert session.params == {"order": "v" * 500}


@pytest.mark.parametrize("name", ["param.", "param.\x00", "parameter.x", "xparam.x"])
def test_a_field_without_a_parameters_name_is_none(client: Client, name: str) -> None:
    assert stored(client, **{name: "1"}).params == {}


@pytest.mark.parametrize(("length", "kept"), [(1999, 1999), (2000, 2000), (2001, 2000)])
@pytest.mark.parametrize("field", ["landing_page", "referrer"])
def test_an_address_has_2000_characters(client: Client, field: str, length: int, kept: int) -> None:
    assert getattr(stored(client, **{field: "a" * length}), field) == "a" * kept


@pytest.mark.parametrize("rest", ["?email=jana", "#jana", "?a=1#b?c", "#b?a=1", "?", "\x00?a"])
@pytest.mark.parametrize("field", ["landing_page", "referrer"])
def test_an_address_is_stored_without_query_and_fragment(
    client: Client, field: str, rest: str
) -> None:
    address = "https://www.example.com/help/lamps"
    assert getattr(stored(client, **{field: address + rest}), field) == address


def test_an_address_is_stored_without_a_password(client: Client) -> None:
    session = stored(client, referrer="https://jana:secret@www.example.com/a@b")
    assert session.referrer == "https://www.example.com/a@b"


def test_the_form_contains_no_query_of_the_page_before_it(client: Client) -> None:
    """Neither does a form that is shown again."""
    url = entry_url(WebChatFactory())
    shown = client.get(url, headers={"Referer": "https://www.example.com/help?mail=canary"})
    again = client.post(url, {"landing_page": "https://www.example.com/help#canary"})
    for response in (shown, again):
        assert b'name="landing_page" value="https://www.example.com/help"' in response.content
        assert b"canary" not in response.content


@pytest.mark.parametrize(("length", "kept"), [(499, 499), (500, 500), (501, 500)])
def test_a_browser_has_a_name_of_500_characters(length: int, kept: int) -> None:
    client: Any = Client(headers={"User-Agent": "b" * length})
    assert stored(client).user_agent == "b" * kept
