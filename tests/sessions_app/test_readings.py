"""Test how pasted addresses, numbers and names are read for a search."""

from __future__ import annotations

import pytest

from sessions_app.readings import (
    index_words,
    is_address,
    is_same_name,
    name_readings,
    read_addresses,
    read_numbers,
)


@pytest.mark.parametrize(
    "pasted",
    [
        "eva@example.com", "Eva <eva@example.com>", "<eva@example.com>", "mailto:eva@example.com",
        "eva@example.com;", "eva@example.com,", "eva@example.com.", '"eva@example.com"', "„eva@example.com“",
        "\ufeffeva@example.com", "eva @ example.com", "eva@ example.com", "eva@exam ple.com", "ev a@example.com",
        "E-mail: eva@example.com", "Eva Nováková eva@example.com", "(eva@example.com)", "'eva@example.com'",
        "mailto:eva%40example.com?subject=Hello", "MAILTO:Eva@Example.com", "<mailto:eva@example.com>",
        '"Nováková, Eva" <eva@example.com>', "eva@example.com <eva@example.com>", "eva＠example.com",
        "eva\u200b@example.com", "eva@example\u00ad.com", "\teva@example.com\n", "eva@example.com>;",
        "Napište na eva@example.com, prosím.", "[eva@example.com](mailto:eva@example.com)",
    ],
)  # fmt: skip
def test_an_address_as_pasted(pasted: str) -> None:
    (keys,) = read_addresses(pasted)
    assert "eva@example.com" in keys
    assert is_address(keys)


@pytest.mark.parametrize(
    "text", ["eva", "eva@", "@example.com", "eva@localhost", "@", "", "eva@@", "eva at example.com"]
)
def test_what_is_no_address(text: str) -> None:
    (keys,) = read_addresses(text)
    assert not is_address(keys)


@pytest.mark.parametrize(
    "text",
    [
        "eva@example.com, jan@example.com", "Eva <eva@example.com>; Jan <jan@example.com>",
        "eva@example.com jan@example.com", "eva@example.com\njan@example.com",
    ],
)  # fmt: skip
def test_two_addresses(text: str) -> None:
    assert read_addresses(text) == [{"eva@example.com"}, {"jan@example.com"}]


def test_an_address_accepted_earlier_is_searched_as_typed() -> None:
    assert read_addresses("Jana@localhost") == [{"jana@localhost"}]
    assert '"a b"@example.com' in read_addresses('"A b"@example.com')[0]


@pytest.mark.parametrize(
    "text", ["603 123 456, 604 111 222", "603123456/604111222", "603 123 456 nebo 604 111 222"]
)
def test_two_numbers(text: str) -> None:
    assert read_numbers(text, ["CZ"]) == [{"+420603123456"}, {"+420604111222"}]


@pytest.mark.parametrize(
    "text", ["603 123 456 / 12", "+420 603 123 456", "420603123456", "603 123 456, +420603123456"]
)
def test_one_number(text: str) -> None:
    assert read_numbers(text, ["CZ"]) == [{"+420603123456"}]


def test_a_foreign_number_without_its_plus() -> None:
    assert "+420603123456" in read_numbers("420 603 123 456", ["AT"])[0]
    assert "+442079460958" in read_numbers("44 20 7946 0958", ["CZ"])[0]


def test_a_name_is_indexed_by_its_parts() -> None:
    assert index_words("Ing. Seán O\u2019Brien") == ["brien", "ing", "o", "obrien", "sean"]
    assert index_words("Anna-Marie") == ["anna", "annamarie", "marie"]


def test_titles_are_not_searched_unless_alone() -> None:
    assert name_readings("MUDr. Jan Novák, Ph.D., CSc.") == [["jan", "novak"]]
    assert name_readings("Ing.") == [["ing"]]


@pytest.mark.parametrize("name", ["Novák, Jan", "JAN NOVAK", "Ing. Jan Novák", "Jan Novák Ph. D."])
def test_the_same_name_in_another_order(name: str) -> None:
    assert is_same_name("Jan Novák", name)


@pytest.mark.parametrize(
    "name", ["Jan", "Novák", "Jan Karel Novák", "Jana Nováková", "Jan Novák ml."]
)
def test_another_name(name: str) -> None:
    assert not is_same_name("Jan Novák", name)
