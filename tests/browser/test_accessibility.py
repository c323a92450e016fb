"""Test all pages with axe, in two widths, light and dark, under the strict policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import (
    ApiClientFactory,
    AttachmentFactory,
    ErasureFactory,
    SessionFactory,
    WebChatFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = pytest.mark.parametrize(
    "options",
    [{"viewport": DESKTOP}, {"viewport": PHONE}, {"viewport": DESKTOP, "color_scheme": "dark"}],
    ids=["desktop", "phone", "dark"],
)
STAFF_PAGES = [
    "/",
    "/sessions/",
    "/sessions/?status=waiting",
    "/sessions/live/",
    "/sessions/{open}/",
    "/sessions/{erased}/",
    "/guests/{guest}/",
    "/guests/find/",
    "/sessions/{open}/anonymize/",
    "/guests/{guest}/anonymize/",
    "/withdrawals/",
    "/erasures/",
    "/erasures/?door=command&since=2026-01-01",
    "/erasures/?door=x",
    "/erasures/{erasure}/",
    "/settings/webchat/",
    "/settings/webchat/add/",
    "/settings/webchat/{webchat}/",
    "/settings/webchat/{webchat}/archive/",
    "/settings/webchat/{webchat}/forms/",
    "/settings/webchat/{webchat}/forms/versions/2/",
    "/settings/webchat/{webchat}/install/",
    "/settings/api/",
    "/settings/api/add/",
    "/settings/api/{client}/",
    "/settings/api/{client}/revoke/",
    "/settings/gdpr/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/reauthenticate/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/logout/",
    "/no-such-page/",
    "/sessions/anonymize/",
    "/sessions/?guest=999999",
]


#: Pages with every kind of component. Dark pages differ only in colors, narrow ones in width.
EACH_KIND = [
    "/",
    "/sessions/?status=waiting",
    "/sessions/{open}/",
    "/sessions/{erased}/",
    "/guests/{guest}/anonymize/",
    "/erasures/{erasure}/",
    "/settings/webchat/{webchat}/forms/",
    "/settings/api/{client}/",
    "/no-such-page/",
]


@pytest.fixture
def ids() -> dict[str, Any]:
    webchat = WebChatFactory(published=["One wording.", "Another wording."])
    open_one = SessionFactory(webchat=webchat, messages=["Hello"])
    erased = SessionFactory(webchat=webchat, new_guest=True)
    AttachmentFactory(session=open_one)
    record = ErasureFactory(subject=erased)
    client = ApiClientFactory(name="CRM nightly sync", rights=["read_sessions"])
    client.limits_reached.create(refused=3)
    return {
        "open": open_one.pk, "erased": erased.pk, "guest": open_one.guest_id, "webchat": webchat.pk,
        "erasure": record.pk, "client": client.pk,
    }  # fmt: skip


def violations(page: Page, path: str) -> list[str]:
    # axe copies the styles of a shadow root into elements. Our policy forbids and reports this.
    has_shadow = page.locator("#button-preview").count() > 0
    options = {
        "preload": not has_shadow,
        "resultTypes": ["violations"],
    }  # what passes is not written down
    found = Axe().run(page, options=options).response["violations"]
    return [f"{path}: {v['id']}: {v['nodes'][0]['html'][:120]}" for v in found] + too_wide(
        page, path
    )


def too_wide(page: Page, path: str) -> list[str]:
    pixels = overflow(page)
    return [f"{path}: scrolls sideways by {pixels}"] if pixels > 0 else []


def overflow(page: Page) -> int:
    """Return the number of pixels by which the page scrolls sideways."""
    page.wait_for_load_state()  # a click may still be leading to the page
    width: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


@WIDTHS
def test_staff_pages(
    options: dict[str, Any], ids: dict[str, Any], log_in_browser: Callable[..., Page]
) -> None:
    page = log_in_browser("superuser", **options)
    found = []
    for path in EACH_KIND if options.get("color_scheme") == "dark" else STAFF_PAGES:
        page.goto(path.format(**ids))
        is_other_width = options["viewport"] == PHONE and path not in EACH_KIND
        found += too_wide(page, path) if is_other_width else violations(page, path)
    page.goto("/guests/find/")
    page.get_by_label("E-mail").fill("jana@example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="1 guest").wait_for()
    found += violations(page, "found person")
    page.goto("/guests/find/")
    page.get_by_role("button", name="Find").click()
    page.locator(".invalid-feedback, .errorlist, .alert-danger").first.wait_for()
    found += violations(page, "find nothing")
    assert "\n".join(found) == ""


@WIDTHS
def test_an_added_api_client(options: dict[str, Any], log_in_browser: Callable[..., Page]) -> None:
    page = log_in_browser("administrator", **options)
    page.goto("/settings/api/add/")
    page.get_by_label("Name").fill("CRM nightly sync")
    page.get_by_label("Anonymize guests").check()
    page.get_by_role("button", name="Add the client").click()
    page.get_by_role("heading", name="CRM nightly sync was added").wait_for()
    assert violations(page, "secret") == []


def test_the_documentation_of_the_api(open_browser: Callable[..., Page]) -> None:
    """Swagger UI renders the calls under the strict policy, without console messages."""
    page = open_browser()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto("/api/")
    page.get_by_text("Anonymize a guest").first.wait_for()
    assert page.locator(".opblock").count() == 8
    page.get_by_text("List sessions").click()
    page.get_by_text("Created.Min").wait_for()
    here = page.evaluate("location.origin")
    assert [url for url in requested if not url.startswith((here, "data:"))] == []


@WIDTHS
def test_publishing_pages(
    options: dict[str, Any], ids: dict[str, Any], log_in_browser: Callable[..., Page]
) -> None:
    page = log_in_browser("superuser", **options)
    found = []
    for button in ("Preview as the visitor sees it", "Review and publish as version 3…"):
        page.goto(f"/settings/webchat/{ids['webchat']}/forms/")
        page.locator("[name=label_en]").fill("A label of its own")
        page.get_by_role("button", name=button).click()
        page.wait_for_url("**/publish/")
        found += violations(page, button)
    assert "\n".join(found) == ""


@WIDTHS
def test_log_in(options: dict[str, Any], open_browser: Callable[..., Page]) -> None:
    page = open_browser(**options)
    page.goto("/accounts/login/")
    assert violations(page, "login") == []
