"""Test that spellings of one person have equal match keys, and other people do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.matching import email_key, match_keys, name_key, phone_key


@pytest.mark.parametrize(
    "typed",
    [
        "603 123 456", "603123456", "00420 603123456", "+420-603-123-456", "+420 (603) 123 456", "６０３１２３４５６",
        " 603.123.456 ", "420603123456", "+420 (0) 603 123 456", "00420 (0)603 123456", "(0)603 123 456",
        "+420(0)603123456",
    ],
)  # fmt: skip
def test_spellings_of_a_czech_number(typed: str) -> None:
    assert phone_key(typed, "CZ") == "+420603123456"


@pytest.mark.parametrize(
    "typed", ["", "603 123", "abc", "603 123 4567890", "0000", "+", "00", "(0)", "603 (0) 123 456"]
)
def test_an_invalid_number_has_no_key(typed: str) -> None:
    assert phone_key(typed, "CZ") == ""


def test_the_region_decides_a_national_number() -> None:
    assert phone_key("0664 1234567", "AT") == "+436641234567"


@pytest.mark.parametrize("region", ["CZ", "AT", "GB"])
@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("+43 (0)664 1234567", "+436641234567"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        # In Italy, the leading zero is part of the number.
        ("+39 (0)6 69812345", "+390669812345"),
    ],
)
def test_a_bracketed_zero_after_a_country_code(typed: str, key: str, region: str) -> None:
    assert phone_key(typed, region) == key


def test_a_bracketed_zero_within_the_country() -> None:
    assert phone_key("(0)664 1234567", "AT") == "+436641234567"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jana Nováková", "  jana  NOVAKOVA "),
        ("Ｊａｎａ", "jana"),
        ("Straße", "STRASSE"),
        ("Zoë", "Zoe\u0308"),
    ],
)
def test_spellings_of_a_name(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jana@Example.COM ", "jana@example.com"),
        ("jana@bücher.example", "jana@xn--bcher-kva.example"),
        ("jos\u00e9@example.com", "jose\u0301@example.com"),
    ],
)
def test_spellings_of_an_address(one: str, other: str) -> None:
    assert email_key(one) == email_key(other) != ""


def test_other_addresses_stay_other() -> None:
    assert email_key("jana+shop@example.com") != email_key("jana@example.com")
    assert email_key("j.ana@example.com") != email_key("jana@example.com")
    assert email_key("not an address") == ""


def test_keys_fit_their_columns() -> None:
    keys = match_keys(
        name="\ufdfa" * 200, email="\u0390" * 200 + "@" + "\u0390" * 50, phone="", region="CZ"
    )
    # The cut left a space at the end, which a key does not have.
    assert len(keys.name) == 399
    assert len(keys.email) <= 400


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_any_text_has_keys_and_keys_are_stable(name: str, email: str, phone: str) -> None:
    keys = match_keys(name=name, email=email, phone=phone, region="CZ")
    assert name_key(keys.name) == keys.name
    assert len(keys.phone) <= 16
