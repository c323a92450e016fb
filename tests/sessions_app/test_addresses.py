"""Test which texts are e-mail addresses, and which of them are one address."""

from __future__ import annotations

import pytest

from sessions_app.matching import email_key, is_email


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("eva@faß.de", "eva@xn--fa-hia.de"),
        ("eva@FAß.de", "Eva@XN--FA-HIA.DE"),
        ("Jiří@example.com", "JIŘÍ@EXAMPLE.COM"),
        ("eva@bücher.example", "eva@BÜCHER.example"),
    ],
)
def test_one_address(one: str, other: str) -> None:
    assert email_key(one) == email_key(other) != ""


def test_a_sharp_s_is_another_domain() -> None:
    assert email_key("eva@faß.de") != email_key("eva@fass.de")


@pytest.mark.parametrize("stored", ["jana@localhost", "jana@xn--a.de", "jana@exam\u200bple.com"])
def test_an_address_that_was_accepted_earlier_has_a_key(stored: str) -> None:
    assert email_key(stored)


@pytest.mark.parametrize(
    "email",
    [
        "jana@example.com", "jana+x@example.co.uk", "jiří@example.com", "用户@例子.广告", "jana@faß.de",
        "josé@example.com", "jose\u0301@example.com", "a" * 64 + "@example.com", "o'brien@example.com",
        "अजय@डाटा.भारत", "jana@xn--fa-hia.de",
    ],
)  # fmt: skip
def test_what_is_an_address(email: str) -> None:
    assert is_email(email)


@pytest.mark.parametrize(
    "email",
    [
        "", "jana", "@example.com", "jana@", "jana@localhost", "jana@xn--a.de", "a" * 65 + "@example.com",
        "ř" * 33 + "@example.com", "jana@exam\u200bple.com", "jana@exam\u00adple.com", "ja\u200bna@example.com",
        "jana@example.com.", "jana@example..com", "jana novak@example.com", ".jana@example.com", "jana@-x.com",
        "jana@ex\u3164ample.com", "\ud800@example.com", "jana@example.com\x00",
    ],
)  # fmt: skip
def test_what_is_no_address(email: str) -> None:
    assert not is_email(email)
