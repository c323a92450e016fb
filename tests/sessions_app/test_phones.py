"""Test how phone numbers with extensions, remarks and exit codes are read."""

from __future__ import annotations

import pytest

from sessions_app.matching import phone_key


@pytest.mark.parametrize(
    "extension",
    [
        "App. 12", "app 12", "ext 12", "ext. 12", "ext.12", "x12", "klapka 12", "kl. 12", "linka 12", "l. 12",
        "l.12", "Durchwahl 12", "DW 12", "DW12", ", Apparat 12", "/12", "/ 12", "Klapka: 12",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("number", "region", "key"),
    [("603 123 456", "CZ", "+420603123456"), ("+43 1 58801", "AT", "+43158801")],
)
def test_an_extension_is_no_part_of_the_number(
    number: str, region: str, key: str, extension: str
) -> None:
    assert phone_key(f"{number} {extension}", region) == key


@pytest.mark.parametrize(
    "typed",
    [
        "603\t123\t456", "603_123_456", "603 123 456 (Eva)", "603 123 456 (Eva Nováková)", "Tel.: 603 123 456",
        "tel:+420603123456", "\u202a603 123 456\u202c", "603 123 456 (mobil) klapka 3", "(Eva) 603 123 456",
    ],
)  # fmt: skip
def test_what_surrounds_a_number_is_cleaned(typed: str) -> None:
    assert phone_key(typed, "CZ") == "+420603123456"


@pytest.mark.parametrize(
    ("typed", "region"),
    [
        ("0011 420 603 123 456", "AU"), ("001 420 603 123 456", "HK"), ("001 420 603 123 456", "TH"),
        ("000 420 603 123 456", "KE"), ("009 420 603 123 456", "NG"), ("011 420 603 123 456", "US"),
        ("00 420 603 123 456", "US"), ("00 420 603 123 456", ""),
    ],
)  # fmt: skip
def test_the_exit_code_of_the_region(typed: str, region: str) -> None:
    assert phone_key(typed, region) == "+420603123456"


def test_a_number_after_a_slash_belongs_to_the_number() -> None:
    assert phone_key("0664/1234567", "AT") == "+436641234567"


@pytest.mark.parametrize("typed", ["603 123 456 Byt 12", "0664 1234567 Eva", "603 123 4App"])
@pytest.mark.parametrize("region", ["CZ", "AT", "ZA"])
def test_words_are_not_read_as_digits(typed: str, region: str) -> None:
    assert phone_key(typed, region) == ""


def test_letters_are_digits_in_north_america() -> None:
    assert phone_key("1-800-FLOWERS", "US") == "+18003569377"
