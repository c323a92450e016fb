"""Export the filtered sessions as CSV or Excel: masked like the page, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from sessions_app.masking import Reader
from sessions_app.models import Session, SessionQuerySet
from sessions_app.staff.column_choice import chosen_columns
from sessions_app.staff.columns import COLUMNS
from sessions_app.staff.filters import SessionFilters
from sessions_app.staff.paging import KeyPage, chunks_by_key
from sessions_app.staff.session_list import SessionList
from sessions_app.staff.table import csv_rows, with_row_data
from sessions_app.staff.workbook import workbook_of

_Response = TypeVar("_Response", bound=HttpResponseBase)
logger = logging.getLogger(__name__)

#: The separators of a CSV file. Excel expects a semicolon where a number has a decimal comma.
SEPARATORS = {"csv": ",", "csv-semicolon": ";", "csv-tab": "\t"}
#: An Excel file is built in memory, so its rows are limited. A CSV file is streamed.
MAX_EXCEL_ROWS = 50_000
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_BYTE_ORDER_MARK = "\ufeff"
# The characters that make a spreadsheet read a cell as a formula (OWASP, "CSV injection"), also
# after invisible characters.
_FORMULA_STARTS = frozenset("=+-@\u2212")
_INNER_FORMULA = re.compile(
    r"((?:\S\s*[;,|\t\r\n\u2028\u2029]|^\s*[;,|])\s*)([=+\-@\u2212\uff1d\uff0b\uff0d\uff20])"
)


def harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet interprets as a formula. An apostrophe is added if needed.

    Full-width and small variants count as the character that they look like. Leading tabs and line
    breaks are also escaped.
    """
    if not isinstance(value, str):
        return value
    # Another spreadsheet could read a separator in the text as the start of a new cell, which may
    # then begin with a formula.
    safe = _INNER_FORMULA.sub(r"\1'\2", value)
    start = unicodedata.normalize("NFKC", _visible(safe)[:1])[:1]
    return f"'{safe}" if start in _FORMULA_STARTS or value[:1] in {"\t", "\r", "\n"} else safe


def _visible(text: str) -> str:
    """Return the text from its first visible character, without leading spaces."""
    return text.lstrip(
        "".join(c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zs", "Zl", "Zp"})
    )


def csv_parts(
    sessions: SessionQuerySet, *, columns: list[str], reader: Reader, separator: str = ","
) -> Iterator[tuple[int, str]]:
    """Yield the file in parts, each with its number of sessions.

    Each part shows its sessions as they are when that part is read.
    """
    yield 0, _BYTE_ORDER_MARK + _csv([_headings(columns)], separator)
    for chunk in chunks_by_key(with_row_data(sessions)):
        rows = csv_rows(chunk, columns=columns, reader=reader)
        yield len(chunk), _csv(([harmless(cell) for cell in row] for row in rows), separator)


def _headings(columns: list[str]) -> list[str]:
    return [str(COLUMNS[name].label) for name in columns]


def _csv(rows: Iterable[list[Any]], separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue()


class SessionExport(SessionList):
    """Download the filtered list with the chosen columns. For a wrong filter, show the page.

    ``?file=`` chooses the file: a key of SEPARATORS, or ``xlsx``.
    """

    http_method_names = ["get"]
    permission_required = ("sessions_app.see_sessions", "sessions_app.export_sessions")

    def get(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]
        filters = SessionFilters(request.GET, queryset=Session.objects.all())
        if not filters.is_valid():
            return super().get(request)
        file = request.GET.get("file", "csv")
        if file == "xlsx":
            return self._excel(filters)
        if file not in SEPARATORS:
            raise Http404
        parts = csv_parts(
            filters.qs,
            columns=chosen_columns(request),
            reader=Reader.of(request.user),
            separator=SEPARATORS[file],
        )
        parts = _in_language(parts, get_language() or "en")
        response = StreamingHttpResponse(
            self._logged(parts), content_type="text/csv; charset=utf-8"
        )
        return _download(response, "csv")

    def _excel(self, filters: SessionFilters) -> HttpResponse:
        """Return an Excel file, or the page with the reason if the list is too long for one."""
        if filters.qs[MAX_EXCEL_ROWS : MAX_EXCEL_ROWS + 1].exists():
            problem = _("An Excel file has at most %(limit)d rows. Filter the list, or choose CSV.")
            return self._show(
                filters, KeyPage(rows=[]), problem=problem % {"limit": MAX_EXCEL_ROWS}
            )
        columns, reader = chosen_columns(self.request), Reader.of(self.request.user)
        chunks = chunks_by_key(with_row_data(filters.qs))
        rows = [row for chunk in chunks for row in csv_rows(chunk, columns=columns, reader=reader)]
        content = workbook_of(rows, headings=_headings(columns), title=_("Sessions"))
        logger.info("export of %d sessions by user %s", len(rows), self.staff.pk)
        return _download(HttpResponse(content, content_type=_EXCEL), "xlsx")

    def _logged(self, parts: Iterable[tuple[int, str]]) -> Iterator[str]:
        """Log the number of exported sessions and the user, but never a value."""
        count = 0
        try:
            for rows, text in parts:
                yield text
                count += rows
        finally:
            logger.info("export of %d sessions by user %s", count, self.staff.pk)


def _download(response: _Response, ending: str) -> _Response:
    name = f"sessions-{timezone.localdate():%Y-%m-%d}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _in_language(parts: Iterator[tuple[int, str]], language: str) -> Iterator[tuple[int, str]]:
    """Render each part in the language of the request, which has ended when the file is sent."""
    while True:
        with override(language):
            part = next(parts, None)
        if part is None:
            return
        yield part
