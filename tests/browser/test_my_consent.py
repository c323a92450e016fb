"""Test My consent in a browser without JavaScript, and the accessibility of its pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import ConsentEvent, Session
from tests.browser.test_accessibility import overflow
from tests.browser.test_main_path import fill_in
from tests.factories import WebChatFactory
from webchat.models import WebChat

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = {"width": 320, "height": 640}


def enter(page: Page, webchat: WebChat) -> None:
    page.goto(f"/w/{webchat.public_id}/")
    fill_in(page)
    page.locator("#entry button[type=submit]").click()
    page.wait_for_url("**/r/**")


def test_withdrawing_needs_no_javascript(open_browser: Callable[..., Page]) -> None:
    page = open_browser(java_script_enabled=False, viewport=NARROW)
    enter(page, WebChatFactory())
    room = page.url
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="My consent").click()
    mine = opened.value
    expect(mine.get_by_text("Your consent is active.")).to_be_visible()
    assert overflow(mine) <= 0
    mine.get_by_role("link", name="Withdraw my consent").click()
    confirm = mine.get_by_role("button", name="Withdraw my consent")
    expect(confirm).to_be_visible()
    assert overflow(mine) <= 0
    confirm.click()
    expect(mine.get_by_role("heading", name="You have withdrawn your consent")).to_be_visible()
    assert overflow(mine) <= 0
    mine.reload()  # the form is sent again
    expect(
        mine.get_by_role("heading", name="You have already withdrawn your consent")
    ).to_be_visible()
    page.goto(room)
    expect(page.get_by_text("You have ended the conversation.")).to_be_visible()
    assert Session.objects.get().status == "closed"
    assert ConsentEvent.objects.count() == 2
    assert page.context.cookies() == []


def test_the_link_is_copied(open_browser: Callable[..., Page]) -> None:
    page = open_browser(permissions=["clipboard-read", "clipboard-write"])
    enter(page, WebChatFactory())
    link = page.get_by_role("link", name="My consent").get_attribute("href")
    assert link
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == link
