"""Test the columns of the Sessions table: on the page, in a file, and masked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from sessions_app.masking import Reader
from sessions_app.models import Session
from sessions_app.staff.columns import COLUMNS, duration_of
from sessions_app.staff.table import SessionTable, csv_rows, with_row_data
from tests.factories import SessionFactory, StaffFactory, WebChatFactory, publish_notice
from tests.sessions_app.staff.rows import EMAIL, NAME, PHONE, CanaryFactory, make_rows
from webchat.models import EntryForm

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


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(None, ""), (0, "0–5 min"), (5, "5–15 min"), (30, "30–60 min"), (60, "≥ 60 min")],
)
def test_an_anonymized_session_shows_the_band_of_a_duration(minutes: int | None, text: str) -> None:
    waited = None if minutes is None else timedelta(minutes=minutes)
    assert duration_of(Session(waited=waited, anonymized_in=timezone.now()), "waited") == text


def test_a_session_that_is_not_anonymized_shows_the_exact_duration() -> None:
    assert duration_of(Session(waited=timedelta(0)), "waited") == "0 s"


@pytest.mark.parametrize("name", COLUMNS)
def test_a_session_without_any_values_has_a_cell_and_a_value(name: str) -> None:
    make_rows(WebChatFactory(), 1)
    rows = with_row_data(Session.objects.all())
    ((_session, cell),) = SessionTable(rows, columns=[name], reader=Reader()).rows
    assert cell.startswith('<td role="cell" data-label="')
    assert strip_tags(cell), "an empty cell shows a dash"
    ((value,),) = csv_rows(rows, columns=[name], reader=Reader())
    assert isinstance(value, str | int)


@pytest.mark.parametrize("name", [name for name, column in COLUMNS.items() if column.key])
def test_a_cell_does_not_depend_on_the_other_rows(name: str) -> None:
    webchat, plain = WebChatFactory(), WebChatFactory(entry_form=EntryForm.STANDARD)
    publish_notice(plain)
    for values in ({}, {"ended": True}, {"withdrawn": True}, {"anonymized": True}):
        SessionFactory(webchat=webchat, new_guest=True, **values)
    SessionFactory(webchat=plain)
    SessionFactory(webchat=webchat, language="cs")
    Session.objects.filter(pk=SessionFactory(webchat=webchat).pk).update(
        withdrawn_at=timezone.now()
    )
    SessionFactory(webchat=webchat, new_guest=True, withdrawn=True, anonymized=True)
    SessionFactory(webchat=webchat, showroom=True, operator=StaffFactory(role="operator"))
    rows, reader = list(with_row_data(Session.objects.all())), Reader(sees_people=True)

    together = SessionTable(rows, columns=[name], reader=reader).rows
    alone = [SessionTable([row], columns=[name], reader=reader).rows[0] for row in rows]
    assert together == alone


@pytest.mark.parametrize(("name", "text"), [("name", NAME), ("email", EMAIL), ("phone", PHONE)])
def test_a_personal_column_is_masked_on_the_page_and_in_a_file(name: str, text: str) -> None:
    CanaryFactory()
    rows = with_row_data(Session.objects.all())
    for sees_people in (True, False):
        ((_session, cell),) = SessionTable(rows, columns=[name], reader=Reader(sees_people)).rows
        ((value,),) = csv_rows(rows, columns=[name], reader=Reader(sees_people))
        assert (text in cell, value == text) == (sees_people, sees_people)
        assert ("•••" in cell, value == "•••") == (not sees_people, not sees_people)


def test_markup_in_a_value_is_escaped() -> None:
    CanaryFactory(webchat__name="<b>", name="<i>Jana Nováková</i>")
    rows = with_row_data(Session.objects.all())
    ((_session, cells),) = SessionTable(rows, columns=COLUMNS, reader=Reader(sees_people=True)).rows
    assert "<b>" not in cells
    assert "<i>" not in cells
    assert "&lt;i&gt;" in cells
