"""Test the files of the Sessions table for spreadsheets: CSV with each separator, and Excel."""

from __future__ import annotations

import csv
import io
import logging
from typing import Any

import openpyxl
import pytest
from django.test import Client

from sessions_app.staff import export
from tests.factories import SessionFactory, StaffFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import EMAIL, NAME, PHONE, CanaryFactory, make_rows

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

XLSX = "/sessions/export/?file=xlsx"


@pytest.fixture
def officer(log_in: LogIn) -> Client:
    client = log_in("officer")
    client.post("/sessions/columns/", {"columns": ["id", "name", "phone"]})
    return client


def sheet_of(response: Any) -> list[tuple[Any, ...]]:
    assert response.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    (sheet,) = book.worksheets
    return [tuple(cell.value for cell in row) for row in sheet.rows]


@pytest.mark.parametrize(
    ("file", "separator"), [("csv", ","), ("csv-semicolon", ";"), ("csv-tab", "\t")]
)
@pytest.mark.parametrize("name", ["a;b", "a,b", 'a"b', "Jana"])
def test_csv_has_the_chosen_separator(
    officer: Client, file: str, separator: str, name: str
) -> None:
    session = SessionFactory(name=name)
    response: Any = officer.get(f"/sessions/export/?file={file}")
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text), delimiter=separator)) == [
        ["Session ID", "Name", "Phone"],
        [str(session.pk), name, session.entered_phone],
    ]


@pytest.mark.parametrize("file", ["csv", "csv-semicolon", "csv-tab"])
def test_a_formula_is_disarmed_with_each_separator(officer: Client, file: str) -> None:
    SessionFactory(name="x;=1+1", phone="+420 603 123 456")
    response: Any = officer.get(f"/sessions/export/?file={file}")
    text = b"".join(response.streaming_content).decode()
    assert "x;'=1+1" in text
    assert "'+420 603 123 456" in text


@pytest.mark.parametrize("phone", ["+420 603 123 456", "0603 123 456", "00420603123456"])
def test_excel_keeps_a_phone_as_it_was_typed(officer: Client, phone: str) -> None:
    session = SessionFactory(phone=phone, name='=HYPERLINK("https://x.example") a')
    assert sheet_of(officer.get(XLSX)) == [
        ("Session ID", "Name", "Phone"),
        (session.pk, '=HYPERLINK("https://x.example") a', phone),
    ]


def test_excel_reads_no_formula_and_no_link(officer: Client) -> None:
    SessionFactory(name="=1+a")
    SessionFactory(name="https://www.example.com")
    book = openpyxl.load_workbook(io.BytesIO(officer.get(XLSX).content))
    cells = [cell for row in book.worksheets[0].rows for cell in row]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert not [cell for cell in cells if cell.hyperlink]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        # XML does not allow these two. Excel reads the escapes, and openpyxl does not.
        ("a\x1fb", "a_x001F_b"),
        ("a\ufffeb", "a_xFFFE_b"),
        ("😀 Žižka", "😀 Žižka"),
        ("a<b>&c", "a<b>&c"),
        ("_x0041_", "_x0041_"),
    ],
)
def test_excel_opens_a_file_with_any_stored_text(officer: Client, name: str, read: str) -> None:
    SessionFactory.create().__class__.objects.update(entered_name=name)
    row = sheet_of(officer.get(XLSX))[1]
    assert row[1] == read


def test_excel_is_a_file_and_is_not_cached(officer: Client) -> None:
    CanaryFactory()
    response = officer.get(XLSX)
    assert response.headers["Content-Type"] == (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    assert response.headers["Content-Disposition"].endswith('.xlsx"')
    assert "no-store" in response.headers["Cache-Control"]


def test_excel_masks_people_as_the_page_does(log_in: LogIn) -> None:
    from django.contrib.auth.models import Permission

    CanaryFactory()
    administrator = StaffFactory(role="administrator")
    administrator.user_permissions.add(Permission.objects.get(codename="export_sessions"))
    cells = {cell for row in sheet_of(log_in("administrator").get(XLSX)) for cell in row}
    assert "•••" in cells
    assert not cells & {NAME, EMAIL, PHONE}


def test_excel_is_built_in_memory(officer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the temporary folder would contain people, and a killed process would leave it."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a temporary file")

    SessionFactory()
    for name in ("mkstemp", "NamedTemporaryFile", "TemporaryFile", "mkdtemp"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
    response = officer.get(XLSX)
    monkeypatch.undo()
    assert len(sheet_of(response)) == 2


@pytest.mark.parametrize(("limit", "status"), [(3, 200), (2, 422)])
def test_excel_has_a_limit_of_rows(
    officer: Client, monkeypatch: pytest.MonkeyPatch, limit: int, status: int
) -> None:
    make_rows(WebChatFactory(), 3)
    monkeypatch.setattr(export, "MAX_EXCEL_ROWS", limit)
    response = officer.get(XLSX)
    assert response.status_code == status
    if status == 422:
        assert "An Excel file has at most 2 rows." in response.content.decode()


def test_an_unknown_file_is_not_found(officer: Client) -> None:
    assert officer.get("/sessions/export/?file=pdf").status_code == 404


def test_the_page_offers_each_file_with_its_filters(officer: Client) -> None:
    CanaryFactory()
    html = officer.get("/sessions/?channel=chat").content.decode()
    for file in ("csv", "csv-semicolon", "csv-tab", "xlsx"):
        assert f'href="/sessions/export/?file={file}&amp;channel=chat"' in html


def test_the_log_of_excel_holds_a_number(officer: Client, caplog: pytest.LogCaptureFixture) -> None:
    CanaryFactory()
    logging.getLogger("sessions_app").propagate = True
    with caplog.at_level(logging.INFO, logger="sessions_app"):
        officer.get(XLSX)
    assert "export of 1 sessions by user" in caplog.text
    assert NAME not in caplog.text
