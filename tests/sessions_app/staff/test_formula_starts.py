"""Test cells of the CSV file that a spreadsheet could read as a formula."""

from __future__ import annotations

from itertools import product

import pytest

from sessions_app.staff.export import harmless

#: Characters that a spreadsheet may skip before a formula (OWASP, "CSV injection").
BREAKS = ["\t", "\r", "\n", "\r\n"]
SIGNS = "=+-@−＝＋－＠"
SEPARATORS = [";", ",", "|", "\t", "\r", "\n", "\u2028", "\u2029"]
INVISIBLE = [
    "\x00",
    "\x0b",
    "\x1f",
    "\x85",
    " ",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\u2028",
    "\u2029",
    "\u3000",
]


def test_a_tab_or_a_line_break_at_the_start_is_disarmed() -> None:
    cells = [start + word for start, word in product(BREAKS, ["Jana", "603 123 456", ""])]
    assert [harmless(cell) for cell in cells] == [f"'{cell}" for cell in cells]


def test_a_sign_is_disarmed_behind_what_does_not_show() -> None:
    cells = [f"{before}{sign}1" for before, sign in product(["", *BREAKS, *INVISIBLE], SIGNS)]
    assert [harmless(cell) for cell in cells] == [f"'{cell}" for cell in cells]


def test_a_sign_is_disarmed_behind_each_separator() -> None:
    starts = [f"a{separator}{space}" for separator, space in product(SEPARATORS, ["", " ", "\t "])]
    cells = [(start, f"{sign}1") for start, sign in product(starts, SIGNS)]
    assert [harmless(start + rest) for start, rest in cells] == [
        f"{start}'{rest}" for start, rest in cells
    ]


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a;b", "a = b", "a-b", "a +1", "\u200bJana"])
def test_what_begins_no_cell_stays(text: str) -> None:
    assert harmless(text) == text
