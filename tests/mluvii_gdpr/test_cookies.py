"""Test that a foreign cookie neither hides the login from the event streams nor causes a 500."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.mluvii_gdpr.test_events import cookie, status_of
from tests.pages import LogIn

pytestmark = pytest.mark.django_db
FOREIGN = ["a[]=1", "bad name=1", '{"json": [1]}', "ünïcode=ä", "=", "long=" + "x" * 6000]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_cookie_does_not_hide_the_login(log_in: LogIn, foreign: str) -> None:
    sent = cookie(log_in("operator"))
    for header in (f"{foreign}; {sent}", f"{sent}; {foreign}"):
        assert status_of("/events/live/", cookie=header) == 200


@pytest.mark.parametrize("key", ['"abcdefgh\\000"', "abcdefgh" * 500, '"abcdefgh\\377"', "ä" * 8])
def test_a_session_key_that_cannot_exist_is_no_login(key: str) -> None:
    header = f"sessionid={key}"
    assert Client().get("/", headers={"Cookie": header}).status_code == 302
    assert status_of("/events/live/", cookie=header) == 403
