"""Test that text is readable on any color of a WebChat."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import WebChatFactory
from webchat.theme import DARK_SURFACE, contrast, theme_css

colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@given(colours)
def test_words_on_the_accent_are_readable_in_light_and_dark(colour):
    css = theme_css(colour)

    pairs = re.findall(r"--accent: (#\w{6}); --on-accent: (#\w{6});", css)
    assert len(pairs) == 2
    assert pairs[0][0] == colour
    for accent, ink in pairs:
        assert contrast(accent, ink) >= 4.5
    assert contrast(pairs[1][0], DARK_SURFACE) >= 3


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)


@pytest.mark.django_db
def test_it_is_served_as_a_style_sheet(client):
    webchat = WebChatFactory(colour="#ffcc00")

    response = client.get(f"/w/{webchat.public_id}/theme.css")

    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert "--accent: #ffcc00; --on-accent: #000000;" in response.content.decode()
    assert response["Cache-Control"] == "public, max-age=300"
    again = client.get(
        f"/w/{webchat.public_id}/theme.css", headers={"if-none-match": response["ETag"]}
    )
    assert again.status_code == 304
