"""Test which spellings of a name are one name, and which texts are no name."""

from __future__ import annotations

import pytest

from sessions_app.matching import is_name, name_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Søren Ørsted", "Soren Orsted"),
        ("Đorđe", "Dorde"),
        ("Işıl", "Isil"),
        ("Guðrún Þórsdóttir", "Gudrun Thorsdottir"),
        ("Ægir Œuvre", "Aegir Oeuvre"),
        ("Ħal Ŧim", "Hal Tim"),
        ("Bjørn Ǿst", "Bjorn Ost"),
        ("O\u2019Brien", "O'Brien"),
        ("O\u00b4Brien", "O`Brien"),
        ("Ka\u02bbiulani", "Ka'iulani"),
        ("O'Brien", "OBrien"),
        ("Nováková-Malá", "Nováková \u2013 Malá"),
        ("Nováková\u2011Malá", "Nováková Malá"),
        ("Jan\u200b Nov\u00adák\ufeff", "Jan Novák"),
        ("J. Novák", "J Novák"),
        ("Ph.D.", "ph. d."),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jan Novák", "Novák Jan"),
        ("Ing. Jan Novák", "Jan Novák"),
        ("Jan Novák", "Jana Nováková"),
        ("कुमार", "कमार"),
    ],
)
def test_the_key_keeps_order_titles_and_letters(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(
    "name", ["\u3164", "\u115f\u1160", "\u2800", "\u200b", "...", "12", "\ufe0f"]
)
def test_what_cannot_be_seen_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["Jan", "Ł", "山田", "O'", "कुमार", "X Æ A-12"])
def test_what_is_a_name(name: str) -> None:
    assert is_name(name)
