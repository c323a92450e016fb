"""Test the accessibility of all pages for visitors in each language, two widths, light and dark.

The pages fit on 320 pixels and with letters of twice the size (WCAG 2.2, 1.4.4 and 1.4.10).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from sessions_app.models import Party, Session
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_accessibility import (
    WITHOUT_COLORS,
    overflow,
    violations,
    violations_of_each_kind,
)
from tests.browser.test_main_path import fill_in
from tests.factories import ErasureFactory, MessageFactory, WebChatFactory
from webchat.services import archive

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: The languages. In the first one, each page is tested in each width and color scheme. In the
#: others only the texts differ.
LANGUAGES = ["en", "cs", "de", "sk"]
#: Finds the innermost element that exceeds the width of the page.
WIDEST = """[...document.body.querySelectorAll('*')].filter((element) =>
  element.getBoundingClientRect().right > document.documentElement.clientWidth).pop()?.outerHTML ?? ''"""
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung" * 2


def unreadable(page: Page, name: str) -> list[str]:
    """Return the elements that make a reader scroll sideways on a narrow or enlarged page."""
    found, size = [], page.viewport_size
    assert size is not None

    def measure(when: str) -> None:
        if (pixels := overflow(page)) > 0:
            found.append(f"{name}: {pixels} too wide {when}: {page.evaluate(WIDEST)[:120]}")

    page.set_viewport_size({"width": 320, "height": 640})
    measure("at 320")
    page.set_viewport_size(size)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    measure("with large letters")
    page.evaluate("document.documentElement.style.fontSize = ''")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_they_are_for_everybody(language: str, open_browser: Callable[..., Page]) -> None:
    webchat = WebChatFactory(languages=LANGUAGES)
    is_first = language == LANGUAGES[0]
    page, found = open_browser(locale=language, viewport=DESKTOP if is_first else PHONE), []

    def look(name: str) -> None:
        assert page.locator("html").get_attribute("lang") == language, name
        if is_first:
            found.extend(violations_of_each_kind(page, name))
        else:
            found.extend(violations(page, name, **WITHOUT_COLORS))
        found.extend(unreadable(page, name))

    def enter(path: str) -> None:
        page.goto(path)
        look(path)
        page.locator("#entry button[type=submit]").click()
        page.locator(".errorlist").first.wait_for()
        look(f"{path} with errors")
        fill_in(page)
        page.locator("#entry button[type=submit]").click()
        page.wait_for_url("**/r/**")

    page.goto(f"/w/{webchat.public_id}/consent/1/{language}/")
    look("consent text")
    enter(f"/w/{webchat.public_id}/showroom/")
    look("video call")
    enter(f"/w/{webchat.public_id}/")
    look("empty room")
    session, room = Session.objects.latest("pk"), page.url
    page.locator("[name=text]").fill(LONG)
    page.locator("[data-composer] [type=submit]").click()
    MessageFactory(session=session, sender=Party.OPERATOR, text="Good day")
    page.get_by_text("Good day").wait_for()
    page.locator("[data-upload]").locator("xpath=ancestor::details/summary").click()
    page.locator(".leave summary").click()
    look("room")
    consent = page.locator("a[href*='/c/']").first.get_attribute("href")
    page.locator(".leave [type=submit]").click()
    page.locator("#feedback [type=submit]").click()
    page.locator("#feedback .errorlist").wait_for()
    look("ended room, no stars")
    assert consent
    page.goto(consent)
    look("my consent")
    page.locator("form[action*=mail] [type=submit]").click()
    page.locator(".errorlist").wait_for()
    look("my consent, no address")
    page.goto(f"{consent}withdraw/")
    look("withdraw?")
    page.locator("main form [type=submit]").click()
    page.locator("h1").wait_for()
    look("withdrawn")
    page.goto(consent)
    look("my consent, withdrawn")
    ErasureFactory(subject=session)
    for address in (consent, room, "/w/unknown/"):
        page.goto(address)
        look(f"nothing at {address[:4]}")
    archive(webchat)
    page.goto(f"/w/{webchat.public_id}/")
    look("no longer available")
    assert "\n".join(found) == ""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus. Expect a visible focus at each stop."""
    for _ in range(40):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "[document.activeElement, document.activeElement.nextElementSibling].some((element) => {"
            "  const style = element && getComputedStyle(element);"
            "  return style && (style.outlineStyle !== 'none' || style.boxShadow !== 'none'); })"
        )
        assert seen, page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"no Tab leads to {wanted}")


def test_a_keyboard_is_enough(open_browser: Callable[..., Page]) -> None:
    page = open_browser()
    keyboard = page.keyboard
    page.goto(f"/w/{WebChatFactory().public_id}/")
    for label, value in (
        ("Name", "Eva Malá"),
        ("E-mail", "eva@example.com"),
        ("Phone", "603123457"),
    ):
        tab_to(page, page.get_by_label(label))
        keyboard.type(value)
    tab_to(page, page.locator("[name=consent]"))
    keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Start the chat"))
    keyboard.press("Enter")
    page.wait_for_url("**/r/**")
    tab_to(page, page.get_by_label("Your message"))
    keyboard.type("By keys alone")
    keyboard.press("Enter")
    expect(page.locator(".bubble").get_by_text("By keys alone")).to_be_visible()
    consent = page.get_by_role("link", name="My consent").get_attribute("href")
    page.reload()
    tab_to(page, page.locator(".leave summary"))
    keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="End conversation"))
    keyboard.press("Enter")
    expect(page.get_by_text("You have ended the conversation.")).to_be_visible()
    tab_to(page, page.locator("[name=stars]").first)
    keyboard.press("ArrowRight")
    tab_to(page, page.get_by_role("button", name="Send the feedback"))
    keyboard.press("Enter")
    expect(page.get_by_text("Thank you for your feedback")).to_be_visible()
    assert Session.objects.get().feedback_stars == 2
    assert consent
    page.goto(consent)
    tab_to(page, page.get_by_role("link", name="Withdraw my consent"))
    keyboard.press("Enter")
    page.wait_for_url("**/withdraw/")
    tab_to(page, page.get_by_role("button", name="Withdraw my consent"))
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You have withdrawn your consent")).to_be_visible()
