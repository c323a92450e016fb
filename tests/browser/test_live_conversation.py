"""Test a live conversation on both sides: updates, a lost network, the end, an erasure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from anonymization.storage import mark_storage
from sessions_app import conversation
from sessions_app.models import Attachment, Message, Party, Session
from tests.browser.conftest import PHONE
from tests.browser.test_conversation import enter
from tests.factories import ErasureFactory, MessageFactory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("streams"),
]


def say(page: Page | Frame, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def sees(page: Page | Frame, text: str) -> None:
    """Expect a line exactly once, sooner than the page would poll."""
    expect(page.locator(".bubble").filter(has_text=text)).to_have_count(1, timeout=3000)


def mark(page: Page) -> None:
    """Set a mark that is lost when the page is loaded again."""
    page.evaluate("window.isSamePage = true")


def is_same(page: Page) -> bool:
    return bool(page.evaluate("window.isSamePage === true"))


def test_they_talk_send_a_file_end_and_rate(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page], tmp_path: Path
) -> None:
    operator = log_in_browser("operator")
    operator.goto("/sessions/live/")
    expect(operator.get_by_text("Nobody is waiting")).to_be_visible()
    operator.get_by_role("button", name="Play a sound for new visitors").click()
    visitor = open_browser(viewport=PHONE)
    enter(visitor)
    expect(operator).to_have_title("(1) Live · mluvii GDPR")
    expect(operator.locator("#announcement")).to_have_text("A new visitor is waiting.")
    operator.get_by_role("button", name="Take").click()
    operator.wait_for_url("**/sessions/*/")
    sees(visitor, "An operator has joined")
    other_tab = visitor.context.new_page()
    other_tab.goto(visitor.url)
    for page in (visitor, operator, other_tab):
        mark(page)

    visitor.get_by_label("Your message").fill("   ")
    visitor.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.get_by_text("Please write a message.")).to_be_visible()
    expect(visitor.get_by_label("Your message")).to_be_focused()
    say(visitor, "<b>Good day</b>")
    expect(visitor.get_by_text("Please write a message.")).to_have_count(0)
    say(operator, "How can I help?")
    expect(operator.locator("dt:has-text('Visitor messages') + dd")).to_have_text("1")
    for page in (visitor, operator, other_tab):
        sees(page, "<b>Good day</b>")
        sees(page, "How can I help?")
    letter = tmp_path / "letter.txt"
    letter.write_bytes(b"x" * 300_000)
    visitor.evaluate(
        "window.seen = [];"
        "new MutationObserver(() => seen.push(document.querySelector('progress').value))"
        ".observe(document.querySelector('progress'), { attributes: true })"
    )
    visitor.get_by_text("Send a file").click()
    visitor.locator("[name=file]").set_input_files(letter)
    visitor.get_by_role("button", name="Send the file").click()
    for page in (visitor, operator, other_tab):
        sees(page, "letter.txt")
        assert is_same(page)
    assert max(visitor.evaluate("seen")) == 100
    assert Attachment.objects.get().size == 300_000

    operator.get_by_role("button", name="End the conversation").click()
    for page in (visitor, other_tab):
        expect(page.get_by_text("The operator has ended the conversation.")).to_be_visible()
    visitor.get_by_label("4 stars").check()
    visitor.get_by_label("What went well, what didn't?").fill("Quick")
    visitor.get_by_role("button", name="Send the feedback").click()
    expect(visitor.get_by_text("Thank you for your feedback")).to_be_visible()
    session = Session.objects.get()
    assert (session.feedback_stars, session.feedback_text) == (4, "Quick")


def test_a_lost_network_loses_and_doubles_nothing(open_browser: Callable[..., Page]) -> None:
    visitor = open_browser()
    enter(visitor)
    session = Session.objects.get()
    MessageFactory(session=session, sender=Party.OPERATOR, text="before")
    sees(visitor, "before")
    mark(visitor)
    visitor.context.set_offline(True)
    expect(visitor.get_by_text("Connection lost. Reconnecting…")).to_be_visible()
    say(visitor, "written offline")
    expect(visitor.get_by_text("Not sent.")).to_be_visible()
    expect(visitor.get_by_label("Your message")).to_have_value("written offline")
    MessageFactory(session=session, sender=Party.OPERATOR, text="meanwhile one")
    MessageFactory(session=session, sender=Party.OPERATOR, text="meanwhile two")
    visitor.context.set_offline(False)
    for text in ("before", "meanwhile one", "meanwhile two"):
        sees(visitor, text)
    expect(visitor.get_by_text("Connection lost. Reconnecting…")).not_to_be_visible()
    visitor.get_by_label("Your message").press("Enter")
    sees(visitor, "written offline")
    expect(visitor.get_by_text("Not sent.")).not_to_be_visible()
    assert is_same(visitor)


def test_a_storage_that_takes_no_file_is_said_at_the_field_on_both_sides(
    open_browser: Callable[..., Page],
    log_in_browser: Callable[..., Page],
    settings: Any,
    tmp_path: Path,
) -> None:
    visitor = open_browser()
    enter(visitor)
    operator = log_in_browser("operator")
    operator.goto(f"/sessions/{Session.objects.get().pk}/")
    mark_storage()
    settings.MEDIA_ROOT = tmp_path / "not mounted"
    letter = tmp_path / "letter.txt"
    letter.write_text("x")
    for page in (visitor, operator):
        mark(page)
        page.get_by_label("Your message").fill("half a sentence")
        page.get_by_text("Send a file").click()
        page.locator("[name=file]").set_input_files(letter)
        page.get_by_role("button", name="Send the file").click()
        expect(page.get_by_text("The file was not stored, because")).to_be_visible()
        expect(page.get_by_text("Check your connection")).not_to_be_visible()
        expect(page.get_by_label("Your message")).to_have_value("half a sentence")
        assert page.locator("[name=file]").evaluate("field => field.files.length") == 1
        assert is_same(page)
    assert not Attachment.objects.exists()


def test_an_erasure_closes_both_sides_and_nothing_is_stored_after_it(
    open_browser: Callable[..., Page], log_in_browser: Callable[..., Page]
) -> None:
    visitor = open_browser()
    enter(visitor)
    say(visitor, "Kassiopeia")
    sees(visitor, "Kassiopeia")
    session = conversation.set_note(Session.objects.get(), note="Likes Gigi", result="Beppo comes")
    operator = log_in_browser("operator")
    operator.goto(f"/sessions/{session.pk}/")
    sees(operator, "Kassiopeia")
    shown = "document.body.innerText + [...document.querySelectorAll('input, textarea')].map((f) => f.value)"
    personal = (session.entered_name, session.entered_email, session.entered_phone, "Gigi", "Beppo")
    assert [value for value in personal if value not in operator.evaluate(shown)] == []
    for page in (visitor, operator):
        page.get_by_label("Your message").fill("half a sen")
    ErasureFactory(subject=session)
    expect(visitor.get_by_text("This conversation was anonymized")).to_be_visible()
    expect(operator.get_by_text("Deleted. Messages: 1")).to_be_visible()
    for page in (visitor, operator):
        expect(page.get_by_text("Kassiopeia")).to_have_count(0)
        expect(page.get_by_label("Your message")).to_have_value("half a sen")
    assert [value for value in personal if value in operator.evaluate(shown)] == []
    operator.get_by_label("Your message").press("Enter")
    expect(operator.get_by_text("This session was anonymized.")).to_be_visible()
    late = visitor.request.post(f"{visitor.url}message/", form={"text": "late"})
    assert late.status == 404
    assert not Message.objects.exists()
