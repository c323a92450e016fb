"""Fixtures for Chromium and a live server. Any error on the console fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from csp.constants import SELF
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.factories import PASSWORD, StaffFactory
from tests.server import EVENTS, Server, on_this_database, served

DESKTOP, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
#: Messages of Chromium and htmx about intended behavior: statuses 403, 404, 409, 422 and 503, focus
#: within a frame, and no network.
MEANT = (
    "Failed to load resource: the server responded with a status of 4",
    "Failed to load resource: the server responded with a status of 503",
    "Failed to load resource: net::ERR_INTERNET_DISCONNECTED",
    "Response Status Error Code 4",
    "Blocked autofocusing on a",
)


@pytest.fixture(scope="session")
def event_server(
    live_server: Any, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve the event streams of the test's database at another origin than the pages."""
    folder = tmp_path_factory.mktemp("events")
    elsewhere = {"EVENTS_URL": "http://localhost/events/", "EVENTS_ORIGINS": live_server.url}
    with served(folder, config=EVENTS, **on_this_database(), **elsewhere) as server:
        yield server


@pytest.fixture
def streams(event_server: Server, settings: Any, live_server: Any) -> None:
    """Let pages use the event streams. Without this fixture they poll."""
    host = live_server.url.rpartition(":")[0]
    origin = f"{host}:{event_server.port}"
    settings.EVENTS_URL = f"{origin}/events/"
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy | {"connect-src": [SELF, origin]}}


@pytest.fixture
def open_browser(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a new browser. Console errors fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(MEANT):
            complaints.append(f"{message.location.get('url')}: {message.text}")

    def open_page(**options: Any) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            # No test waits for an animation, and no color is measured in the middle of one.
            **{"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "reduce", **options},
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def log_in_browser(open_browser: Callable[..., Page]) -> Callable[..., Page]:
    """Return a function that opens a browser, logged in with a role, with an empty page."""

    def log_in(role: str, **options: Any) -> Page:
        StaffFactory(role=role)
        page = open_browser(**options)
        send_log_in(page, role)
        return page

    return log_in


def send_log_in(page: Page, role: str) -> None:
    """Log in without rendering the login page, which takes most of the time."""
    page.request.get("/accounts/login/")
    token = next(
        cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "csrftoken"
    )
    form: dict[str, Any] = {"csrfmiddlewaretoken": token, "login": role, "password": PASSWORD}
    assert page.request.post("/accounts/login/", form=form, max_redirects=0).status == 302


def log_in_by_the_page(page: Page, role: str) -> None:
    """Log in through the page, which leads to the home page."""
    page.goto("/accounts/login/")
    page.fill("[name=login]", role)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/")
