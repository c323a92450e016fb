"""Test pending withdrawals of consent on staff pages: list, counts, table and session page."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.staff.columns import COLUMNS
from tests.factories import ConsentEventFactory, ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import EMAIL, NAME, PHONE, CanaryFactory, make_rows
from webchat.models import WebChat

pytestmark = pytest.mark.django_db
WithdrawnFactory = partial(SessionFactory, new_guest=True, withdrawn=True)


def ids(response: Any) -> list[int]:
    return [session.pk for session in response.context["sessions"]]


def badge(page: str) -> str:
    """Return the number next to the menu entry."""
    entry = page.split('href="/withdrawals/"')[1].split("</a>")[0]
    return entry.split('ms-auto">')[1].split("<")[0] if "badge" in entry else ""


def test_the_oldest_is_first_and_an_anonymized_one_is_not_listed(log_in: LogIn) -> None:
    SessionFactory()
    new, old = WithdrawnFactory(), WithdrawnFactory(days_ago=20)
    officer = log_in("officer")
    response = officer.get("/withdrawals/")
    assert ids(response) == [old.pk, new.pk]
    page = response.content.decode()
    assert badge(page) == "2"
    assert f'href="/sessions/{old.pk}/anonymize/"' in page
    assert "weeks ago" in page
    assert "2 withdrawals are awaiting a decision." in officer.get("/").content.decode()

    confirm = officer.get(f"/sessions/{old.pk}/anonymize/")
    shown = {f"shown-{label}": value for label, value in confirm.context["shown"]}
    assert officer.post(f"/sessions/{old.pk}/anonymize/", shown).status_code == 302
    assert ids(officer.get("/withdrawals/")) == [new.pk]
    assert "1 withdrawal is awaiting a decision." in officer.get("/").content.decode()

    ErasureFactory(subject=new)
    page = officer.get("/withdrawals/").content.decode()
    assert "No pending withdrawals" in page
    assert badge(page) == ""
    assert "awaiting a decision" not in officer.get("/").content.decode()


def test_it_names_nobody(log_in: LogIn) -> None:
    CanaryFactory(withdrawn=True)
    for page in ("/withdrawals/", "/"):
        text = log_in("support").get(page).content.decode()
        assert all(value not in text for value in (NAME, EMAIL, PHONE))


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_who_can_not_anonymize_is_not_asked_to(log_in: LogIn, role: str) -> None:
    WithdrawnFactory()
    client = log_in(role)
    assert client.get("/withdrawals/").status_code == 403
    page = client.get("/").content.decode()
    assert 'href="/withdrawals/"' not in page
    assert "awaiting a decision" not in page


@pytest.mark.parametrize("count", [1, 30])
def test_the_number_of_queries_does_not_grow(log_in: LogIn, count: int, webchat: WebChat) -> None:
    for row in make_rows(webchat, count, status="closed", withdrawn_at=timezone.now()):
        for kind in ("given", "withdrawn"):
            ConsentEventFactory(session=row, kind=kind)
    client = log_in("officer")
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/withdrawals/")
    assert len(ids(response)) == count
    assert len(queries) <= 8


def test_more_than_a_page_are_counted(log_in: LogIn) -> None:
    make_rows(WebChatFactory(), 103, status="closed", withdrawn_at=timezone.now())
    page = log_in("officer").get("/withdrawals/").content.decode()
    assert "3 more" in page
    assert 'href="/sessions/?withdrawn=yes&amp;anonymized=no"' in page


def test_the_table_filters_and_shows_them(log_in: LogIn) -> None:
    plain, waits, erased = SessionFactory(), WithdrawnFactory(), WithdrawnFactory(anonymized=True)
    officer = log_in("officer")
    found = {
        query: [row.pk for row in officer.get(f"/sessions/?{query}").context["page"].rows]
        for query in ("withdrawn=yes", "withdrawn=no", "withdrawn=yes&anonymized=no")
    }
    assert found == {
        "withdrawn=yes": [waits.pk, erased.pk],
        "withdrawn=no": [plain.pk],
        "withdrawn=yes&anonymized=no": [waits.pk],
    }
    rows = officer.get("/sessions/").content.decode().split("<tbody")[1].split("<tr")
    assert [">withdrawn<" in row for row in rows[1:]] == [True, False, True], "the badge"


def test_the_file_says_when_as_exactly_as_it_is_known(log_in: LogIn, settings: Any) -> None:
    settings.ERASURE_TIME_PRECISION = "month"
    plain, waits, erased = SessionFactory(), WithdrawnFactory(), WithdrawnFactory(anonymized=True)
    officer = log_in("officer")
    officer.post("/sessions/columns/", {"columns": ["id", "consent", "withdrawn"]})
    content = b"".join(officer.get("/sessions/export/").streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    heads, *rows = csv.reader(io.StringIO(content))
    assert heads[-1] == str(COLUMNS["withdrawn"].label)
    assert waits.withdrawn_at is not None
    exact = timezone.localtime(waits.withdrawn_at).isoformat(sep=" ", timespec="seconds")
    month = f"{timezone.localdate():%Y-%m}"
    assert rows == [
        [str(waits.pk), "v1 en, v1 en (withdrawn)", exact],
        [str(plain.pk), "v1 en", ""],
        [str(erased.pk), "v1 en, v1 en (withdrawn)", month],
    ]


def test_the_page_of_the_session_says_so_and_takes_no_note(log_in: LogIn) -> None:
    session = WithdrawnFactory(days_ago=3)
    page = log_in("support").get(f"/sessions/{session.pk}/").content.decode()
    assert "Consent withdrawn:" in page
    operator = log_in("operator")
    page = operator.get(f"/sessions/{session.pk}/").content.decode()
    assert f'action="/sessions/{session.pk}/note/"' not in page
    refused = operator.post(f"/sessions/{session.pk}/note/", {"note": "Kassiopeia"})
    assert refused.status_code == 409
    assert "nothing more can be stored in this session" in refused.content.decode()
    session.refresh_from_db()
    assert session.note == ""
