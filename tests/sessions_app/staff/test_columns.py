"""The columns of the Sessions table: each one on the page, in a file, and masked."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from sessions_app.masking import Reader
from sessions_app.models import Session
from sessions_app.staff.columns import COLUMNS
from sessions_app.staff.table import SessionTable, csv_rows, with_row_data
from tests.factories import StaffFactory, WebChatFactory
from tests.sessions_app.staff.rows import EMAIL, NAME, PHONE, CanaryFactory, make_rows

pytestmark = pytest.mark.django_db


def test_all_columns_of_a_row_are_read_in_two_queries() -> None:
    CanaryFactory()
    Session.objects.update(
        operator=StaffFactory(), entered_name="", entered_email="", entered_phone=""
    )
    with CaptureQueriesContext(connection) as queries:
        sessions = list(with_row_data(Session.objects.all()))
        assert SessionTable(sessions, columns=COLUMNS, reader=Reader(sees_people=True)).rows
        assert list(csv_rows(sessions, columns=COLUMNS, reader=Reader(sees_people=True)))
    assert len(queries) == 2


@pytest.mark.parametrize("name", COLUMNS)
def test_a_session_without_any_values_has_a_cell_and_a_value(name: str) -> None:
    rows = make_rows(WebChatFactory(), 1)
    ((_session, cell),) = SessionTable(rows, columns=[name], reader=Reader()).rows
    assert cell.startswith('<td role="cell" data-label="')
    assert strip_tags(cell), "an empty cell shows a dash"
    ((value,),) = csv_rows(rows, columns=[name], reader=Reader())
    assert isinstance(value, str | int)


@pytest.mark.parametrize(("name", "text"), [("name", NAME), ("email", EMAIL), ("phone", PHONE)])
def test_a_personal_column_is_masked_on_the_page_and_in_a_file(name: str, text: str) -> None:
    rows = [CanaryFactory()]
    for sees_people in (True, False):
        ((_session, cell),) = SessionTable(rows, columns=[name], reader=Reader(sees_people)).rows
        ((value,),) = csv_rows(rows, columns=[name], reader=Reader(sees_people))
        assert (text in cell, value == text) == (sees_people, sees_people)
        assert ("•••" in cell, value == "•••") == (not sees_people, not sees_people)


def test_markup_in_a_value_is_escaped() -> None:
    rows = [CanaryFactory(webchat__name="<b>", name="<i>Jana Nováková</i>")]
    ((_session, cells),) = SessionTable(rows, columns=COLUMNS, reader=Reader(sees_people=True)).rows
    assert "<b>" not in cells
    assert "<i>" not in cells
    assert "&lt;i&gt;" in cells
