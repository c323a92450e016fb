"""Test that a foreign cookie neither hides the login from the event streams nor causes a 500."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.mluvii_gdpr.test_events import cookie, status_of
from tests.mluvii_gdpr.test_settings import load
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


@pytest.mark.parametrize(("https", "prefix"), [("on", "__Host-"), ("off", "")])
def test_with_https_no_other_host_can_set_our_cookies(
    monkeypatch: pytest.MonkeyPatch, https: str, prefix: str
) -> None:
    values = load(monkeypatch, HTTPS=https)
    assert values["SESSION_COOKIE_NAME"] == f"{prefix}sessionid"
    assert values["CSRF_COOKIE_NAME"] == f"{prefix}csrftoken"
    # Browsers accept the prefix only with Secure and the path /, and without a domain.
    assert values["SESSION_COOKIE_SECURE"] == values["CSRF_COOKIE_SECURE"] == (https == "on")
    for name in ("SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH", "CSRF_COOKIE_DOMAIN"):
        assert name not in values


def test_the_streams_read_the_cookie_by_its_name_under_https(log_in: LogIn, settings: Any) -> None:
    sent = cookie(log_in("operator"))
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    assert status_of("/events/live/", cookie=f"sessionid=forged; __Host-{sent}") == 200
    assert status_of("/events/live/", cookie=sent) == 403


def test_a_log_out_clears_what_the_browser_stored(log_in: LogIn) -> None:
    client = log_in("support")
    assert "Clear-Site-Data" not in client.get("/accounts/logout/").headers
    response = client.post("/accounts/logout/")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "Clear-Site-Data" not in client.post("/accounts/logout/").headers
