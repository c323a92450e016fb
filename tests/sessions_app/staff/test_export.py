"""Test the CSV file of the Sessions table."""

from __future__ import annotations

import csv
import io
import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.staff.export import harmless
from tests.factories import SessionFactory, StaffFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import EMAIL, NAME, PHONE, CanaryFactory, make_rows

pytestmark = pytest.mark.django_db


def text_of(response: Any) -> str:
    assert response.streaming
    return b"".join(response.streaming_content).decode("utf-8")


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(response).removeprefix("\ufeff"))))


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("support", 403), ("operator", 403), ("officer", 200)]
)
def test_who_may_download_it(log_in: LogIn, role: str, status: int) -> None:
    assert log_in(role).get("/sessions/export/").status_code == status


def test_it_is_a_file_for_a_spreadsheet(log_in: LogIn) -> None:
    CanaryFactory()
    response = log_in("officer").get("/sessions/export/")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="sessions-')
    assert "no-store" in response.headers["Cache-Control"]
    assert text_of(response).startswith("\ufeffSession ID,Started,WebChat,")


def test_it_holds_the_filtered_list_in_the_chosen_columns(log_in: LogIn) -> None:
    session = CanaryFactory()
    SessionFactory(showroom=True)
    client = log_in("officer")
    client.post("/sessions/columns/", {"columns": ["id", "name", "phone", "consent", "messages"]})
    assert rows_of(client.get("/sessions/export/?channel=chat")) == [
        {
            "Session ID": str(session.pk),
            "Consent version": "v1 en",
            "Name": NAME,
            "Phone": f"'{PHONE}",
            "Messages": "0",
        }
    ]


def test_people_are_masked_as_on_the_page(log_in: LogIn) -> None:
    from django.contrib.auth.models import Permission

    CanaryFactory()
    assert NAME in text_of(log_in("officer").get("/sessions/export/"))
    administrator = StaffFactory(role="administrator")
    administrator.user_permissions.add(Permission.objects.get(codename="export_sessions"))
    masked = text_of(log_in("administrator").get("/sessions/export/"))
    assert masked.count("•••") == 2
    for value in (NAME, EMAIL, PHONE):
        assert value not in masked


@pytest.mark.parametrize(
    "value",
    ["=1+1", "+420 603", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "﹦1", "﹢1", "−1",
     " =1", "\u200b=1", "\ufeff=1", "\u00a0=1"],
)  # fmt: skip
def test_a_formula_is_disarmed(value: str) -> None:
    assert harmless(value) == f"'{value}"


@pytest.mark.parametrize(
    ("value", "disarmed"),
    [
        ("a;=1", "a;'=1"),
        ("a,=1", "a,'=1"),
        (";=1", ";'=1"),
        (" ; =1", " ; '=1"),
        ("a|=1", "a|'=1"),
        ("a\n=1", "a\n'=1"),
        ("a\r\n+1", "a\r\n'+1"),
        ("a\t@x", "a\t'@x"),
        ("a; -1;b; =2", "a; '-1;b; '=2"),
        ("a;＝1", "a;'＝1"),
        ("a\u2028=1", "a\u2028'=1"),
    ],
)
def test_a_formula_behind_another_separator_is_disarmed(value: str, disarmed: str) -> None:
    """A spreadsheet that splits at semicolons, tabs or lines begins a new cell there."""
    assert harmless(value) == disarmed


@pytest.mark.parametrize(
    "value", ["Jana", "603 123 456", "a=b", "jana@example.com", "", "•••", 5, "ž"]
)
def test_other_values_stay_as_they_are(value: Any) -> None:
    assert harmless(value) == value


def test_a_formula_in_a_name_is_disarmed_in_the_file(log_in: LogIn) -> None:
    SessionFactory(name='=HYPERLINK("https://x.example","a,b")')
    assert rows_of(log_in("officer").get("/sessions/export/"))[0]["Name"].startswith("'=HYPERLINK")


def test_a_wrong_filter_shows_the_error(log_in: LogIn) -> None:
    response = log_in("officer").get("/sessions/export/?id=\0")
    assert response.status_code == 422
    assert not response.streaming


def test_it_reads_in_chunks(log_in: LogIn) -> None:
    make_rows(WebChatFactory(), 1001)
    with CaptureQueriesContext(connection) as queries:
        rows = rows_of(log_in("officer").get("/sessions/export/"))
    assert len(rows) == 1001
    # Three chunks, each with its consent events, and an empty one. No OFFSET.
    assert sum("sessions_app_session" in q["sql"] and "LIMIT 500" in q["sql"] for q in queries) == 4
    assert not [q["sql"] for q in queries if "OFFSET" in q["sql"]]


def test_the_log_holds_a_number_and_no_person(
    log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    CanaryFactory()
    logging.getLogger("sessions_app").propagate = True
    with caplog.at_level(logging.INFO, logger="sessions_app"):
        text_of(log_in("officer").get("/sessions/export/"))
    assert "export of 1 sessions by user" in caplog.text
    assert NAME not in caplog.text
