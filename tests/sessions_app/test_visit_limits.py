"""Test that long values of the browser and of the embedding page are cut, not refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from sessions_app.models import Session
from tests.factories import WebChatFactory
from tests.pages import submit

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


@pytest.mark.parametrize(("length", "kept"), [(499, 499), (500, 500), (501, 500)])
def test_a_browser_has_a_name_of_500_characters(length: int, kept: int) -> None:
    client: Any = Client(headers={"User-Agent": "b" * length})
    assert stored(client).user_agent == "b" * kept
