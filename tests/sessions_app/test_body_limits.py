"""Test the limits of request bodies. The announced size decides before the body is read."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from sessions_app.models import Session
from tests.factories import SessionFactory, WebChatFactory
from tests.pages import LogIn, entry_url, submit

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

#: The number of bytes that a form adds to its file.
AROUND_A_FILE = 64 * 1024


def announce(client: Client, url: str, size: int) -> int:
    """Announce a body of a given size, send only its end, and return the status."""
    body: Any = {"wsgi.input": BytesIO(b"--x--\r\n"), "CONTENT_LENGTH": str(size)}
    return client.generic(
        "POST", url, content_type="multipart/form-data; boundary=x", **body
    ).status_code


def test_a_form_has_two_megabytes(client: Client) -> None:
    url = entry_url(WebChatFactory())
    assert announce(client, url, 2 * 1024 * 1024) == 403, "read, and without a ticket"
    assert announce(client, url, 2 * 1024 * 1024 + 1) == 413


@pytest.mark.parametrize("limit", [1, 1_000_000, 10 * 1024 * 1024])
def test_the_visitors_file_has_what_the_setting_allows(
    client: Client, settings: Any, limit: int
) -> None:
    url = submit(client, WebChatFactory()).headers["Location"] + "file/"
    settings.ATTACHMENT_MAX_BYTES = limit
    assert announce(client, url, limit + AROUND_A_FILE) == 422, "read, and without a file"
    assert announce(client, url, limit + AROUND_A_FILE + 1) == 413


def test_the_operators_file_has_ten_megabytes(log_in: Callable[[str], Client]) -> None:
    url, operator = f"/sessions/{SessionFactory().pk}/files/", log_in("operator")
    assert announce(operator, url, 10 * 1024 * 1024 + AROUND_A_FILE) == 422, (
        "read, and without a file"
    )
    assert announce(operator, url, 10 * 1024 * 1024 + AROUND_A_FILE + 1) == 413


def test_a_signal_of_either_side_has_a_hundred_kilobytes(client: Client, log_in: LogIn) -> None:
    """The visitor's side sets the limit in a view class, the operator's side on a function."""
    room = submit(client, WebChatFactory(), showroom=True).headers["Location"]
    page, operator = f"/sessions/{Session.objects.get().pk}/", log_in("operator")
    operator.post(f"{page}accept/")
    for sender, url in ((client, f"{room}signal/"), (operator, f"{page}signal/")):
        assert announce(sender, url, 100_000) == 422, "read, and without a signal"
        assert announce(sender, url, 100_001) == 413
