"""Test all pages with axe, in two widths, light and dark, under the strict policy.

A page is loaded once and then changes its width and colors, because loading takes as long as a test.
"""

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

AXE = Axe().axe_script

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
    "/prove/",
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


#: Both the styles and our script, which sets the theme of staff pages, have followed the device.
DARK = """() => matchMedia('(prefers-color-scheme: dark)').matches
  && document.documentElement.dataset.bsTheme !== 'light'"""
#: The rules of axe whose result depends on colors, and the options of a run with only these or without them.
_COLORS = ["color-contrast", "link-in-text-block"]
COLORS_ALONE = {"runOnly": {"type": "rule", "values": _COLORS}}
WITHOUT_COLORS = {"rules": {rule: {"enabled": False} for rule in _COLORS}}


def violations(page: Page, path: str, **rules: Any) -> list[str]:
    """Return the findings of axe with all or some of its rules, and whether the page is too wide."""
    # axe copies the styles of a shadow root into elements. Our policy forbids and reports this.
    has_shadow = page.locator("#button-preview").count() > 0
    # Passed rules are not reported, which is faster.
    options = {"preload": not has_shadow, "resultTypes": ["violations"], **rules}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return [f"{path}: {v['id']}: {v['nodes'][0]['html'][:120]}" for v in found] + too_wide(
        page, path
    )


def violations_of_each_kind(page: Page, path: str) -> list[str]:
    """Return what axe finds on a page that is shown wide: wide, narrow, and dark."""
    found = violations(page, path)
    page.set_viewport_size(PHONE)
    found += violations(page, f"{path}, narrow")
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(DARK)
    # Dark pages differ only in colors.
    found += violations(page, f"{path}, dark", **COLORS_ALONE)
    page.emulate_media(color_scheme="light")
    return found


def too_wide(page: Page, path: str) -> list[str]:
    pixels = overflow(page)
    return [f"{path}: scrolls sideways by {pixels}"] if pixels > 0 else []


def overflow(page: Page) -> int:
    """Return the number of pixels by which the page scrolls sideways."""
    page.wait_for_load_state()  # a click may still be opening the page
    width: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


def test_staff_pages(ids: dict[str, Any], log_in_browser: Callable[..., Page]) -> None:
    page, found = log_in_browser("superuser"), []
    for path in STAFF_PAGES:
        page.goto(path.format(**ids))
        if path in EACH_KIND:
            found += violations_of_each_kind(page, path)
        else:
            found += violations(page, path)
            page.set_viewport_size(PHONE)
            found += too_wide(page, path)
            page.set_viewport_size(DESKTOP)
    page.goto("/guests/find/")
    page.get_by_label("E-mail").fill("jana@example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="1 guest").wait_for()
    found += violations_of_each_kind(page, "found person")
    page.goto("/guests/find/")
    page.get_by_role("button", name="Find").click()
    page.locator(".invalid-feedback, .errorlist, .alert-danger").first.wait_for()
    found += violations_of_each_kind(page, "find nothing")
    assert "\n".join(found) == ""


def test_an_added_api_client(log_in_browser: Callable[..., Page]) -> None:
    page = log_in_browser("administrator")
    page.goto("/settings/api/add/")
    page.get_by_label("Name").fill("CRM nightly sync")
    page.get_by_label("Anonymize guests").check()
    page.get_by_role("button", name="Add the client").click()
    page.get_by_role("heading", name="CRM nightly sync was added").wait_for()
    assert violations_of_each_kind(page, "secret") == []


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


def test_publishing_pages(ids: dict[str, Any], log_in_browser: Callable[..., Page]) -> None:
    page, found = log_in_browser("superuser"), []
    for button in ("Preview as the visitor sees it", "Review and publish as version 3…"):
        page.goto(f"/settings/webchat/{ids['webchat']}/forms/")
        page.locator("[name=label_en]").fill("A label of its own")
        page.get_by_role("button", name=button).click()
        page.wait_for_url("**/publish/")
        found += violations_of_each_kind(page, button)
    assert "\n".join(found) == ""


def test_log_in(open_browser: Callable[..., Page]) -> None:
    page = open_browser()
    page.goto("/accounts/login/")
    assert violations_of_each_kind(page, "login") == []
