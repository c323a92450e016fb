"""Test that bodies which no browser sends are refused with a specific status."""

from __future__ import annotations

import pytest
from django.test import Client

from sessions_app.models import Session
from tests.factories import WebChatFactory
from tests.pages import COMPLETE, entry_url, ticket_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("charset", ["rot13", "idna", "utf-16", "unknown", "punycode", "base64"])
@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_odd_charset_is_read_as_utf8(client: Client, kind: str, charset: str) -> None:
    url = entry_url(WebChatFactory())
    body = "--x\r\nContent-Disposition: form-data; name=name\r\n\r\nJana\r\n--x--\r\n"
    response = client.generic("POST", url, body, content_type=f"{kind}; charset={charset}")
    assert response.status_code in {400, 403}
    assert not Session.objects.exists()


def test_announced_giant_is_refused_before_it_is_read(client: Client) -> None:
    url = entry_url(WebChatFactory())
    response = client.post(url, COMPLETE, headers={"Content-Length": str(60_000_000)})
    assert response.status_code == 413


def test_longest_names_open_a_session_on_both_databases(client: Client) -> None:
    url = entry_url(WebChatFactory())
    fields = {"ticket": ticket_in(client.get(url)), **COMPLETE, "name": "Ab" + "\ufdfa" * 190}
    assert client.post(url, fields).status_code == 302
