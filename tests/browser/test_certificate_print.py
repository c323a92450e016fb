"""The certificate of a large erasure with evidence is printed on one page of paper."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory, WebChatFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_certificate_has_one_page(log_in_browser: Callable[..., Page]) -> None:
    sessions = [SessionFactory(webchat=WebChatFactory(), messages=["Hello"]) for _ in range(32)]
    AttachmentFactory(session=sessions[0])
    record = ErasureFactory(subject=sessions[0].guest)
    for language in ("en", "de"):
        page = log_in_browser("officer", locale=language)
        page.goto(f"/erasures/{record.pk}/")
        printed = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, language
