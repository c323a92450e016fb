"""Test that invalid public URLs are answered with 404 on both databases, without an error."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.factories import WebChatFactory

pytestmark = pytest.mark.django_db

ODD = [
    "%00",
    "a%00b",
    "%ED%A0%80",
    "..",
    "%2e%2e",
    "x" * 5000,
    "'",
    "é",
    "%F0%9F%98%80",
    " ",
    "%0A",
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_addresses_are_not_found(client: Client, odd: str) -> None:
    known = WebChatFactory().public_id
    for path in (
        f"/w/{odd}/", f"/w/{odd}/showroom/", f"/w/{odd}/theme.css", f"/w/{odd}/widget.js", f"/w/{odd}/logo/",
        f"/w/{known}/consent/1/{odd}/", f"/w/{known}/notice/1/{odd}/",
        f"/w/{known}/consent/{odd}/en/", f"/w/{odd}/consent/1/en/", f"/r/{odd}/", f"/r/{odd}/message/",
        f"/r/{'0' * 64}/files/{odd}/", f"/c/{odd}/", f"/c/{odd}/withdraw/",
    ):  # fmt: skip
        assert client.get(path).status_code in {404, 405}, path
        assert client.post(path, {"text": "x"}).status_code in {404, 405}, path


def test_numbers_beyond_the_database_are_not_found(client: Client) -> None:
    known = WebChatFactory().public_id
    for number in ("0", "2147483648", "9223372036854775808", "9" * 400):
        for kind in ("consent", "notice"):
            assert client.get(f"/w/{known}/{kind}/{number}/en/").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        *("/r/unknown/", f"/r/{'0' * 64}/", f"/r/{'0' * 64}/files/1/"),
        *("/c/unknown/", f"/c/{'0' * 64}/", f"/c/{'0' * 64}/receipt.json"),
        *("/w/unknown/", "/w/é/"),
    ],
)
def test_a_404_page_has_no_link_to_staff_pages(client: Client, path: str) -> None:
    response = client.get(path, headers={"Accept-Language": "en"})
    html = response.content.decode()
    assert response.status_code == 404
    assert "on the website you came from" in html
    assert "href" not in re.sub(r"<link[^>]+>", "", html)
    assert "site-header" not in html
    assert "website you came from" not in client.get("/no-such-page/").content.decode()
