"""Test which sites may frame each route, and that visitor pages use no cookie and store no row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sessions_app.models import Session
from tests.database import digest, media
from tests.factories import ErasureFactory, WebChatFactory
from tests.pages import COMPLETE, LogIn, close_files, compact, entry_url, submit, ticket_in
from tests.test_permission_matrix import TABLE, ids, routes
from webchat.framing import MAX_LENGTH
from webchat.models import WebChat
from webchat.services import archive

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

__all__ = ["ids"]  # the fixture

SITES = "https://www.example.com\nhttp://localhost:8001"
LISTED, OURS, NOBODY = "https://www.example.com http://localhost:8001", "'self'", "'none'"
#: Route → the sites that may frame it. No site may frame any other route.
FRAMED = {
    "w/<public_id:public_id>/": LISTED,
    "w/<public_id:public_id>/showroom/": LISTED,
    "r/<secret:token>/": LISTED,
    "r/<secret:token>/message/": LISTED,
    "r/<secret:token>/file/": LISTED,
    "r/<secret:token>/feedback/": LISTED,
    "r/<secret:token>/leave/": LISTED,
    "r/<secret:token>/transcript/": f"{OURS} {LISTED}",
}
BROWSER = {"Accept": "text/html"}


def framed_by(response: Any) -> tuple[str, str | None]:
    """Return the sites that may frame a response, by its policy and by the older header."""
    policy = response.headers.get("Content-Security-Policy", "")
    ancestors = re.search(r"frame-ancestors ([^;]+)", policy)
    return ancestors[1] if ancestors else "", response.headers.get("X-Frame-Options")


def answers(client: Client, ids: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each route with a method and the answer. Routes that end the conversation are last."""
    for route in sorted(routes(), key=lambda route: route.endswith(("leave/", "end/"))):
        url = (
            TABLE[route].url.format(**ids)
            if route in TABLE
            else "/" + re.sub(r"<[^>]+>", "1", route)
        )
        for method in ("GET", "POST"):
            if (route, method) == ("accounts/logout/", "POST"):
                continue
            response = client.generic(method, url, headers=BROWSER)
            close_files(response)
            yield route, method, response


@pytest.mark.parametrize("sites", [SITES, ""])
def test_who_may_frame_what(ids: dict[str, Any], log_in: LogIn, sites: str) -> None:
    WebChat.objects.update(site=sites)
    client, wrong, seen = log_in("superuser"), [], set()
    for route, method, response in answers(client, ids):
        ancestors = FRAMED.get(route, NOBODY) if response.status_code != 405 else NOBODY
        if not sites:
            ancestors = ancestors.replace(LISTED, "").strip() or NOBODY
        header = {NOBODY: "DENY", OURS: "SAMEORIGIN"}.get(ancestors)
        if "sandbox" in response.headers["Content-Security-Policy"]:
            ancestors = ""  # a file is saved, not shown
        seen.add((ancestors, header))
        if framed_by(response) != (ancestors, header):
            wrong.append((route, method, response.status_code, framed_by(response)))
    assert "\n".join(map(str, wrong)) == ""
    assert len(seen) == (4 if sites else 3)


def test_the_notice_that_a_room_is_gone_is_seen_in_the_frame_that_showed_it(client: Client) -> None:
    WebChatFactory(site="https://www.example.com")
    archive(WebChatFactory(site="https://closed.example.com"))
    webchat = WebChatFactory(site="https://shop.example.com")
    room = submit(client, webchat).headers["Location"]
    assert framed_by(client.get(room)) == ("https://shop.example.com", None)
    ErasureFactory(subject=Session.objects.get())
    gone = client.get(room)
    assert gone.status_code == 404
    assert framed_by(gone) == ("*", None)
    unknown = client.get(f"/r/{'0' * 64}/")
    for page in (gone, unknown):
        said = page.content.decode() + str(page.headers)
        assert "example.com" not in said, "the sites of other WebChats"
        assert 'data-sites="*"' in said
    assert not re.search("<(a|form|button|input)[ >]", gone.content.decode()), (
        "nothing to be tricked into"
    )


def test_more_sites_than_a_header_may_hold_are_none(client: Client) -> None:
    one = "https://www.example.com "
    webchat = WebChatFactory(site=one * (MAX_LENGTH // len(one) + 1))
    assert framed_by(client.get(entry_url(webchat))) == (NOBODY, "DENY")
    WebChat.objects.update(site=one * (MAX_LENGTH // len(one)))
    assert framed_by(client.get(entry_url(webchat)))[1] is None


def visitors_answers(client: Client) -> Iterator[Any]:
    """Yield each kind of answer of the visitor's side."""
    webchat = WebChatFactory(site=SITES)
    base = entry_url(webchat)
    for page in ("", "showroom/", "widget.js", "theme.css", "consent/1/en/", "logo/", "nothing/"):
        yield client.get(f"{base}{page}")
        yield client.put(f"{base}{page}", headers=BROWSER)
    yield client.post(base, COMPLETE | {"ticket": "forged"})
    yield submit(client, webchat, consent=None)
    entered = submit(client, webchat)
    yield entered
    room = entered.headers["Location"]
    yield client.get(room)
    yield client.get(f"{room}message/", headers=BROWSER)
    yield client.post(f"{room}message/", {"text": "Hello"})
    yield client.post(f"{room}message/", {"text": "x" * 3_000_000})
    yield client.post(f"{room}message/", {"text": ""})
    yield client.post(f"{room}file/", {"file": SimpleUploadedFile("a.txt", b"a")})
    yield client.get(f"{room}transcript/")
    yield client.get(f"{room}files/{Session.objects.get().attachments.get().pk}/")
    yield client.post(f"{room}leave/")
    yield client.post(f"{room}message/", {"text": "Late"})
    yield client.get(f"/r/{'0' * 64}/")
    archive(webchat)
    yield client.get(base)
    yield client.get(entry_url(WebChatFactory(published=[])))


def test_the_visitors_pages_set_and_read_no_cookie(log_in: LogIn) -> None:
    """The cookies of a logged-in staff member make no difference."""
    client = log_in("superuser")
    statuses = set()
    for response in visitors_answers(client):
        close_files(response)
        statuses.add(response.status_code)
        where = (
            response.request["REQUEST_METHOD"],
            response.request["PATH_INFO"],
            response.status_code,
        )
        assert not response.cookies, where
        assert "cookie" not in response.get("Vary", "").lower(), where
    assert statuses == {200, 302, 403, 404, 405, 409, 413, 422, 503}
    assert "Cookie" in client.get("/").headers["Vary"], "the control"


def test_pages_that_nobody_sends_store_nothing(client: Client) -> None:
    """Loading a site with the button and opening the form store no row and no file."""
    webchat = WebChatFactory(site=SITES)
    rows = digest()
    for number in range(50):
        visitor = Client(
            REMOTE_ADDR=f"203.0.113.{number}", headers={"referer": "https://www.example.com/"}
        )
        for page in ("widget.js", "", "showroom/", "theme.css"):
            assert visitor.get(f"{entry_url(webchat)}{page}", {"lang": "cs"}).status_code == 200
    assert digest() == rows
    assert media() == {}
    client.post(
        entry_url(webchat), COMPLETE | {"ticket": ticket_in(client.get(entry_url(webchat)))}
    )
    assert digest() != rows, "the control"


def test_links_out_of_the_frame_open_a_new_tab(client: Client) -> None:
    webchat = WebChatFactory(site=SITES)
    room = submit(client, webchat).headers["Location"]
    client.post(f"{room}file/", {"file": SimpleUploadedFile("a.txt", b"a")})
    pages = [client.get(entry_url(webchat)), client.get(room), client.get(f"/r/{'0' * 64}/")]
    client.post(f"{room}leave/")
    pages.append(client.get(room))
    archive(webchat)
    pages.append(client.get(entry_url(webchat)))
    within = (f'href="{entry_url(webchat)}"', " download>", 'target="_blank" rel="noopener"')
    links = [link for page in pages for link in re.findall(r"<a [^>]+>", compact(page))]
    assert len(links) > 5
    assert [link for link in links if not any(part in link for part in within)] == []
