"""Test the main path in a browser: administrator, visitor, operator, support."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import Guest, Session
from tests.browser.conftest import log_in_by_the_page
from tests.database import media
from tests.factories import ConsentVersionFactory, WebChatFactory
from webchat.models import EntryForm

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW_LABEL = "Souhlasím, a čtvrtou verzi mám přečtenou."


@pytest.fixture
def log_in_browser(log_in_browser: Callable[..., Page]) -> Callable[..., Page]:
    """Log in through the page."""

    def log_in(role: str) -> Page:
        page = log_in_browser(role)
        page.context.clear_cookies()
        log_in_by_the_page(page, role)
        return page

    return log_in


def fill_in(visitor: Page) -> None:
    visitor.locator("[name=name]").fill("Jana Nováková")
    visitor.locator("[name=email]").fill("jana@example.com")
    visitor.locator("[name=phone]").fill("603 123 456")
    visitor.locator("[name=consent]").check()


def test_main_path(open_browser: Callable[..., Page], log_in_browser: Callable[..., Page]) -> None:
    webchat = WebChatFactory(
        name="Shop Prague",
        languages=["cs"],
        entry_form=EntryForm.STANDARD,
        published=["One", "Two", "Three"],
    )

    # The administrator chooses GDPR.
    admin = log_in_browser("administrator")
    admin.get_by_role("link", name="WebChat", exact=True).click()
    admin.get_by_role("link", name="Shop Prague").first.click()
    admin.get_by_role("link", name="Forms").click()
    admin.get_by_label("Entry form", exact=True).select_option(label="GDPR")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("Entry form: GDPR.")).to_be_visible()
    webchat.refresh_from_db()
    assert webchat.entry_form == EntryForm.GDPR

    # A visitor opens the form and fills it in. In the meantime, version 4 is published.
    visitor = open_browser(locale="cs-CZ")
    visitor.goto(f"/w/{webchat.public_id}/")
    expect(visitor.locator("a[href$='/consent/3/cs/']")).to_be_visible()
    fill_in(visitor)
    admin.locator("[name=label_cs]").fill(NEW_LABEL)
    admin.get_by_role("button", name="Review and publish as version 4…").click()
    expect(admin.get_by_text(NEW_LABEL).first).to_be_visible()
    assert webchat.consent_versions.count() == 3, "a review publishes nothing"
    admin.get_by_role("button", name="Publish version 4").click()
    expect(admin.get_by_role("link", name="Version 4")).to_be_visible()

    # The old form is refused and shows the new text. Typed values are kept, the checkbox is empty.
    with visitor.expect_response("**/w/**") as refused:
        visitor.locator("#entry button[type=submit]").click()
    assert refused.value.status == 409
    assert Session.objects.count() == 0
    expect(visitor.get_by_text(NEW_LABEL)).to_be_visible()
    expect(visitor.locator("[name=name]")).to_have_value("Jana Nováková")
    expect(visitor.locator("[name=consent]")).not_to_be_checked()
    visitor.locator("[name=consent]").check()
    visitor.locator("#entry button[type=submit]").click()
    visitor.wait_for_url("**/r/**")
    room = visitor.url

    # Both sides write. The visitor sends a file.
    visitor.locator("textarea[name=text]").fill("Where is my parcel?")
    visitor.locator("form[action$='/message/'] button").click()
    visitor.locator("details.composer summary").click()
    visitor.locator("input[name=file]").set_input_files(
        {"name": "invoice.txt", "mimeType": "text/plain", "buffer": b"parcel 7"}
    )
    visitor.locator("form[action$='/file/'] button").click()
    expect(visitor.get_by_role("link", name="invoice.txt")).to_be_visible()
    session = Session.objects.get()
    operator = log_in_browser("operator")
    operator.goto(f"/sessions/{session.pk}/")
    expect(operator.get_by_text("Where is my parcel?")).to_be_visible()
    operator.locator("textarea[name=text]").fill("It arrives today.")
    operator.get_by_role("button", name="Take the conversation").click()
    expect(operator.get_by_text("You have taken this conversation.")).to_be_visible()
    expect(operator.locator("textarea[name=text]")).to_have_value("It arrives today.")
    operator.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.get_by_text("It arrives today.")).to_be_visible()
    assert len(media()) == 1

    # Support finds the person, checks the evidence and anonymizes the guest.
    support = log_in_browser("support")
    support.get_by_role("link", name="Find a person").first.click()
    support.get_by_label("E-mail").fill("JANA@example.com")
    support.get_by_role("button", name="Find").click()
    assert "jana" not in support.url.lower()
    support.get_by_role("row", name="Jana Nováková").get_by_role("link").click()
    support.get_by_role("link", name=str(session.pk), exact=True).first.click()
    support.wait_for_url(f"**/sessions/{session.pk}/")
    expect(support.get_by_text("v4 cs").first).to_be_visible()
    expect(support.get_by_text(NEW_LABEL).first).to_be_visible()
    support.get_by_role("link", name="Anonymize guest").first.click()
    expect(support.get_by_text("Is this the right person?")).to_be_visible()
    support.get_by_role("button", name="Anonymize guest").click()
    # The ledger also has a record of the published text and of the chosen form.
    expect(support.get_by_role("heading", name="Certificate of erasure, record 3")).to_be_visible()

    # No data of the person is left, the room is closed, and the table still shows the version.
    session.refresh_from_db()
    assert session.anonymized_in is not None
    assert Guest.objects.get().name == ""
    assert media() == {}
    expect(visitor.locator("textarea[name=text]")).to_have_count(0)
    assert visitor.goto(room).status == 404  # type: ignore[union-attr]
    support.goto("/sessions/")
    expect(support.get_by_text("v4 cs").first).to_be_visible()
    assert "Jana" not in support.content()


def test_the_gate_works_without_javascript(open_browser: Callable[..., Page]) -> None:
    webchat = WebChatFactory(languages=["en", "cs"])
    visitor = open_browser(java_script_enabled=False)
    visitor.goto(f"/w/{webchat.public_id}/")
    fill_in(visitor)
    visitor.get_by_role("button", name="Start the chat").click()
    visitor.wait_for_url("**/r/**")
    visitor.get_by_label("Your message").fill("Hello without scripts")
    visitor.get_by_role("button", name="Send", exact=True).click()
    frame = visitor.frame_locator("iframe")
    expect(frame.get_by_text("Hello without scripts")).to_be_visible()
    visitor.get_by_text("End the conversation").click()
    visitor.get_by_role("button", name="End conversation").click()
    expect(visitor.get_by_text("You have ended the conversation.")).to_be_visible()
    expect(visitor.get_by_text("Hello without scripts")).to_be_visible()
    assert visitor.context.cookies() == []


def test_the_back_button_ticks_no_box(open_browser: Callable[..., Page]) -> None:
    """A checkbox that was ticked below an older text is not consent to a newer one."""
    webchat = WebChatFactory(languages=["en"])
    visitor = open_browser()
    visitor.goto(f"/w/{webchat.public_id}/")
    fill_in(visitor)
    visitor.locator("#entry button[type=submit]").click()
    visitor.wait_for_url("**/r/**")
    ConsentVersionFactory(webchat=webchat, wording="A newer wording.")
    visitor.go_back()
    expect(visitor.locator("a[href$='/consent/2/en/']")).to_be_visible()
    expect(visitor.locator("[name=consent]")).not_to_be_checked()
