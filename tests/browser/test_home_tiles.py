"""The tiles of the home page have room for their words, in every language and width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DESKTOP, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
#: The labels of tiles whose words reach into the padding of the tile.
CRAMPED = """() => [...document.querySelectorAll('.stat .card-body')].filter(tile => {
  const edge = tile.getBoundingClientRect().right - parseFloat(getComputedStyle(tile).paddingRight);
  const words = document.createRange();
  words.selectNodeContents(tile);
  return [...words.getClientRects()].some(line => line.right > edge + 1);
}).map(tile => tile.innerText)"""


@pytest.mark.parametrize("language", ["en", "cs", "de", "sk"])
def test_no_tile_is_cramped(log_in_browser: Callable[..., Page], language: str) -> None:
    page = log_in_browser("officer", locale=language)
    page.goto("/")
    assert page.locator("[data-job]").count() == 6
    for width in (DESKTOP, {"width": 1440, "height": 800}, {"width": 1024, "height": 800}, PHONE):
        page.set_viewport_size(width)
        assert page.evaluate(CRAMPED) == [], width
