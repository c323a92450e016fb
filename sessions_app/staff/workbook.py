"""Write rows as an Excel file (XLSX)."""

from __future__ import annotations

import io
from collections.abc import Iterable

import xlsxwriter

_WIDTH = 18


def workbook_of(rows: Iterable[list[str | int]], *, headings: list[str], title: str) -> bytes:
    """Return a file with one sheet, built in memory.

    A text is always a text. No cell is read as a formula, number or link, so that a phone keeps its
    leading zero and plus, and needs no mark as in CSV.
    """
    file = io.BytesIO()
    # The package would write a temporary file, which contains people.
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet(title)
        sheet.set_column(0, len(headings) - 1, _WIDTH)
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for place, heading in enumerate(headings):
            sheet.write_string(0, place, heading, bold)
        for number, row in enumerate(rows, start=1):
            for place, value in enumerate(row):
                if isinstance(value, int):
                    sheet.write_number(number, place, value)
                else:
                    sheet.write_string(number, place, value)
    return file.getvalue()
