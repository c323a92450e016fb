"""Test writing messages: keys, caret, and pages without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from sessions_app import conversation
from sessions_app.models import Message, Party, Session
from tests.browser.conftest import PHONE
from tests.browser.test_main_path import fill_in
from tests.factories import MessageFactory, SessionFactory, WebChatFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def enter(visitor: Page) -> None:
    visitor.goto(f"/w/{WebChatFactory().public_id}/")
    fill_in(visitor)
    visitor.locator("[name=phone]").press("Enter")
    visitor.wait_for_url("**/r/**")


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")
    expect(page.locator(".bubble").get_by_text(text)).to_be_visible()


def test_enter_in_a_field_sends_the_form_and_errors_speak_the_visitors_language(
    open_browser: Callable[..., Page],
) -> None:
    visitor = open_browser(locale="cs-CZ")
    visitor.goto(f"/w/{WebChatFactory().public_id}/")
    visitor.locator("[name=name]").fill("Jana")
    visitor.locator("[name=email]").fill("jana@")
    visitor.locator("[name=email]").press("Enter")
    expect(visitor.locator(".errorlist")).to_have_count(3)
    expect(visitor.locator("html")).to_have_attribute("lang", "cs")
    expect(visitor.locator("[name=email]")).to_be_focused()


@pytest.mark.parametrize("side", ["visitor", "operator"])
def test_enter_sends_and_the_caret_stays(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page], side: str
) -> None:
    if side == "visitor":
        page = open_browser()
        enter(page)
    else:
        page = log_in_browser("operator")
        page.goto(f"/sessions/{SessionFactory().pk}/")
    text = page.get_by_label("Your message")
    text.press("Enter")
    text.fill("one")
    text.press("Shift+Enter")
    text.press_sequentially("two")
    text.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(text).to_have_value("one\ntwo")
    assert not Message.objects.exists()
    text.press("Enter")
    expect(page.locator(".bubble")).to_have_count(1)
    expect(text).to_be_focused()
    expect(text).to_have_value("")
    say(page, "three")
    assert Message.objects.count() == 2


def test_a_draft_outlives_the_end_by_the_other_side(open_browser: Callable[..., Page]) -> None:
    visitor = open_browser(viewport=PHONE)
    enter(visitor)
    say(visitor, "first")
    visitor.get_by_label("Your message").fill("half a sen")
    conversation.end_session(Session.objects.get(), by=Party.OPERATOR)
    expect(visitor.get_by_text("The conversation has ended.")).to_be_visible()
    expect(visitor.get_by_text("first")).to_be_visible()
    expect(visitor.get_by_label("Your message")).to_have_value("half a sen")
    visitor.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.get_by_text("This message was not sent:")).to_be_visible()
    expect(visitor.get_by_text("half a sen")).to_be_visible()


def test_without_javascript_the_newest_lines_are_seen_and_come_by_themselves(
    open_browser: Callable[..., Page],
) -> None:
    visitor = open_browser(java_script_enabled=False, viewport=PHONE)
    enter(visitor)
    session = Session.objects.get()
    for number in range(30):
        MessageFactory(session=session, text=f"line {number}")
    visitor.reload()
    frame = visitor.frame_locator("iframe")
    expect(frame.get_by_text("line 29")).to_be_in_viewport()
    expect(frame.get_by_text("line 0", exact=True)).not_to_be_in_viewport()
    MessageFactory(session=session, sender=Party.OPERATOR, text="Good day")
    expect(frame.get_by_text("Good day")).to_be_in_viewport(timeout=15_000)


def test_on_a_phone_the_message_has_two_rows_and_the_file_is_folded(
    open_browser: Callable[..., Page],
) -> None:
    visitor = open_browser(viewport=PHONE)
    enter(visitor)
    rows = """box => {
      const style = getComputedStyle(box);
      return (box.clientHeight - 2 * parseFloat(style.paddingTop)) / parseFloat(style.lineHeight);
    }"""
    assert visitor.get_by_label("Your message").evaluate(rows) == pytest.approx(2, abs=0.15)
    expect(visitor.locator("[name=file]")).not_to_be_visible()


@pytest.mark.parametrize("side", ["visitor", "operator"])
def test_a_text_over_the_limit_is_counted_and_refused_but_not_cut(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page], side: str
) -> None:
    """A text of exactly the limit is sent, and each of its line breaks counts once."""
    if side == "visitor":
        page = open_browser()
        enter(page)
    else:
        page = log_in_browser("operator")
        page.goto(f"/sessions/{SessionFactory().pk}/")
    text, count = page.get_by_label("Your message"), page.locator("[data-count]").first
    longest = "a\n" * 1999 + "bc"
    text.focus()
    page.keyboard.insert_text("short")
    expect(count).to_be_hidden()
    text.clear()
    page.keyboard.insert_text(longest + "d")
    expect(count).to_have_text("4001 of 4000 characters")
    expect(page.locator("#announcement")).to_have_text("4001 of 4000 characters")
    text.press("Enter")
    expect(page.get_by_text("has at most 4000 characters (it has 4001)")).to_be_visible()
    expect(text).to_have_value(longest + "d")
    assert not Message.objects.exists()
    text.press("Backspace")
    expect(count).to_have_text("4000 of 4000 characters")
    text.press("Enter")
    expect(text).to_have_value("")
    expect(count).to_be_hidden()
    assert Message.objects.get().text == longest
