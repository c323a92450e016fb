"""Read the visitor's pages and send their forms as a browser does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.test import Client

from webchat.models import WebChat

LogIn = Callable[[str], Client]
COMPLETE = {
    "name": "Jana Nováková",
    "email": "jana@example.com",
    "phone": "603 123 456",
    "consent": "on",
}


def entry_url(webchat: WebChat, *, showroom: bool = False) -> str:
    return f"/w/{webchat.public_id}/showroom/" if showroom else f"/w/{webchat.public_id}/"


def ticket_in(response: Any) -> str:
    """Return the ticket of a rendered entry form."""
    match = re.search(r'name="ticket" value="([^"]+)"', response.content.decode())
    assert match, "the page shows no entry form"
    return match[1]


def submit(
    client: Client, webchat: WebChat, *, showroom: bool = False, **changes: Any
) -> HttpResponse:
    """Open the form and send it complete, with changes. A field with the value None is omitted."""
    url = entry_url(webchat, showroom=showroom)
    fields = {"ticket": ticket_in(client.get(url)), **COMPLETE, **changes}
    return client.post(url, {name: value for name, value in fields.items() if value is not None})


def consent_url(room: str) -> str:
    """Return the address of "my consent" that the room shows."""
    page = Client().get(room).content.decode()
    match = re.search(r'href="http://[^/"]+(/c/[0-9a-f]{64}/)"', page)
    assert match, "the room shows no link"
    return match[1]


def close_files(response: Any) -> None:
    """Close the files of a download. ``close`` would also close the test's database connection."""
    for closer in response._resource_closers:
        closer()


def compact(response: Any) -> str:
    """Return the page on one line without blanks next to tags, as line breaks are irrelevant."""
    return re.sub(r"\s*([<>])\s*", r"\1", " ".join(response.content.decode().split()))
