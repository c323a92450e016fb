"""Test the pages that an administrator sees before publishing a text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.factories import WebChatFactory
from webchat.consent_html import DraftText
from webchat.default_texts import DEFAULT_TEXTS
from webchat.services import publish_consent

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_change_at_the_end_of_a_long_text_hides_in_no_scroll_box(
    log_in_browser: Callable[..., Page],
) -> None:
    webchat = WebChatFactory(languages=["en"], published=[])
    for number, end in enumerate(("<p>The old end.</p>", "<p>The new end.</p>")):
        texts = {"en": DraftText("I agree", DEFAULT_TEXTS["en"].body + end)}
        publish_consent(webchat, texts=texts, based_on=number, published_by=None)
    page = log_in_browser("administrator", viewport=PHONE)

    page.goto(f"/settings/webchat/{webchat.pk}/forms/versions/2/#difference")

    box, added = page.locator(".diff").bounding_box(), page.locator(".diff ins").bounding_box()
    assert box
    assert added
    assert added["y"] + added["height"] < box["y"] + box["height"]
    middle = page.get_by_text("2016/679").last
    expect(middle).not_to_be_visible()
    page.get_by_text("unchanged paragraphs").click()
    expect(middle).to_be_visible()
