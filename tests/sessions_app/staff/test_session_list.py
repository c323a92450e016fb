"""Test the Sessions table."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import (
    ConsentEventFactory,
    ConsentVersionFactory,
    ErasureFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.pages import LogIn
from tests.sessions_app.staff.rows import BAD_VALUES, EMAIL, NAME, PHONE, CanaryFactory, make_rows
from webchat.models import EntryForm, WebChat

pytestmark = pytest.mark.django_db


def ids(response: Any) -> list[int]:
    """Return the ids of the listed sessions, in order."""
    return [row.pk for row in response.context["page"].rows]


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("stranger", 403), ("administrator", 200), ("operator", 200)]
)
def test_who_may_open_it(log_in: LogIn, role: str, status: int) -> None:
    assert log_in(role).get("/sessions/").status_code == status


def test_it_is_kept_nowhere(log_in: LogIn) -> None:
    assert "no-store" in log_in("support").get("/sessions/").headers["Cache-Control"]


def test_it_shows_the_newest_first_with_the_consent_version(log_in: LogIn) -> None:
    webchat = WebChatFactory(published=["One text.", "Another text."])
    first, second = CanaryFactory(webchat=webchat), SessionFactory(webchat=webchat, language="cs")
    response = log_in("support").get("/sessions/")
    assert ids(response) == [second.pk, first.pk]
    assert (
        f'<a class="text-nowrap" href="/w/{webchat.public_id}/consent/2/cs/">v2 cs</a>'
        in response.content.decode()
    )


def test_a_withdrawn_consent_is_marked(log_in: LogIn) -> None:
    session = SessionFactory()
    assert (
        "withdrawn" not in log_in("support").get("/sessions/").content.decode().split("<tbody")[1]
    )
    ConsentEventFactory(session=session, kind="withdrawn")
    assert "withdrawn" in log_in("support").get("/sessions/").content.decode().split("<tbody")[1]


def test_without_the_right_people_are_masked(log_in: LogIn) -> None:
    CanaryFactory()
    columns = {"columns": ["id", "name", "email", "phone"]}
    seen = log_in("support").post("/sessions/columns/", columns, follow=True).content.decode()
    masked = (
        log_in("administrator").post("/sessions/columns/", columns, follow=True).content.decode()
    )
    for value in (NAME, EMAIL, PHONE):
        assert value in seen
        assert value not in masked
    assert masked.count('<span class="masked ') == 3


def test_entered_text_is_escaped(log_in: LogIn) -> None:
    SessionFactory(name="<script>alert(1)</script>")
    assert "<script>alert" not in log_in("support").get("/sessions/").content.decode()


@pytest.mark.parametrize("count", [1, 50])
def test_the_number_of_queries_does_not_grow(log_in: LogIn, count: int) -> None:
    webchat, operator = WebChatFactory(), StaffFactory()
    for row in make_rows(webchat, count, operator=operator):
        ConsentEventFactory(session=row)
    client = log_in("officer")
    url = f"/sessions/?webchat={webchat.pk}&operator={operator.pk}&version=1"
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    assert len(ids(response)) == count
    assert len(queries) <= 15
    assert not [q["sql"] for q in queries if "OFFSET" in q["sql"]]
    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"]]
    assert all("LIMIT 30001" in sql or "LIMIT 1000)" in sql for sql in counts), (
        "none counts a whole table"
    )


def test_each_filter_keeps_what_it_says(log_in: LogIn) -> None:
    operator, webchat = StaffFactory(), WebChatFactory()
    chat = SessionFactory(webchat=webchat)
    other = SessionFactory(showroom=True, new_guest=True, operator=operator)
    client = log_in("support")
    expected = {
        f"webchat={webchat.pk}": [chat.pk],
        "channel=av": [other.pk],
        "status=waiting": [chat.pk],
        "status=open": [other.pk, chat.pk],
        f"operator={operator.pk}": [other.pk],
        f"id={chat.pk}": [chat.pk],
        f"guest={other.guest_id}": [other.pk],
        "anonymized=yes": [],
        "anonymized=no": [other.pk, chat.pk],
        f"webchat={webchat.pk}&channel=av": [],
        "unknown=1": [other.pk, chat.pk],
    }
    assert {query: ids(client.get(f"/sessions/?{query}")) for query in expected} == expected


def test_a_period_holds_its_first_and_last_day(log_in: LogIn, webchat: WebChat) -> None:
    midnight = timezone.make_aware(datetime(2026, 3, 29)).astimezone(
        UTC
    )  # a day of 23 hours in Prague
    moments = [
        midnight - timedelta(microseconds=1),
        midnight,
        midnight + timedelta(hours=23, microseconds=-1),
    ]
    before, first, last = [make_rows(webchat, 1, at=moment)[0].pk for moment in moments]
    after = make_rows(webchat, 1, at=midnight + timedelta(hours=23))[0].pk
    client = log_in("support")
    assert ids(client.get("/sessions/?since=2026-03-29&until=2026-03-29")) == [last, first]
    assert ids(client.get("/sessions/?since=2026-03-29")) == [after, last, first]
    assert ids(client.get("/sessions/?until=2026-03-28")) == [before]


def test_the_consent_version_is_counted_within_a_webchat(log_in: LogIn) -> None:
    one, two = WebChatFactory(), WebChatFactory()
    old = SessionFactory(webchat=one)
    ConsentVersionFactory(webchat=one, wording="Another text.")
    new, foreign = SessionFactory(webchat=one), SessionFactory(webchat=two)
    client = log_in("support")
    assert ids(client.get("/sessions/?version=2")) == [new.pk]
    assert ids(client.get("/sessions/?version=1")) == [foreign.pk, old.pk]
    assert ids(client.get(f"/sessions/?version=1&webchat={one.pk}")) == [old.pk]
    assert ids(client.get("/sessions/?version=9")) == []


@pytest.mark.parametrize("query", ["version=1", "withdrawn=yes", "withdrawn=no"])
def test_a_filter_by_consent_joins_no_table_to_the_sessions_that_it_sorts(
    log_in: LogIn, query: str
) -> None:
    ConsentEventFactory(session=SessionFactory(), kind="withdrawn")
    SessionFactory(new_guest=True)
    client = log_in("support")
    with CaptureQueriesContext(connection) as queries:
        assert len(ids(client.get(f"/sessions/?{query}"))) == (2 if query == "version=1" else 1)
    sorted_rows = [q["sql"] for q in queries if "LIMIT 51" in q["sql"]]
    assert ["JOIN" in sql for sql in sorted_rows] == [False]


def test_an_anonymized_session_stays_with_its_consent_version(log_in: LogIn) -> None:
    session = CanaryFactory()
    assert NAME in log_in("support").get("/sessions/").content.decode()
    ErasureFactory(subject=session)
    page = log_in("support").get("/sessions/?anonymized=yes")
    assert ids(page) == [session.pk]
    assert "v1 en" in page.content.decode()
    assert 'class="anonymized' in page.content.decode()
    assert NAME not in page.content.decode()
    assert f'value="{session.pk}" form="bulk"' not in page.content.decode()
    badges = re.findall(
        r'<span class="badge [^>]*>([^<]+)</span>', page.content.decode().split("<tbody")[1]
    )
    assert badges == ["Anonymized"]


def test_active_filters_are_chips_that_can_be_removed(log_in: LogIn) -> None:
    webchat = WebChatFactory(name="Shop Prague")
    page = (
        log_in("support")
        .get(f"/sessions/?webchat={webchat.pk}&channel=chat&since=2026-01-02")
        .content.decode()
    )
    chips = re.search(r'<ul class="chips".*?</ul>', page, re.S)
    assert chips
    assert "WebChat: Shop Prague" in chips[0]
    assert "Channel: Chat" in chips[0]
    assert "From: 2 Jan 2026" in chips[0]
    assert f'href="/sessions/?webchat={webchat.pk}&amp;channel=chat"' in chips[0]
    assert chips[0].index("From: 2 Jan 2026") < chips[0].index('href="/sessions/">Clear all</a>')
    assert page.count("Clear all") == 1


@pytest.mark.parametrize(
    "name", ["webchat", "channel", "status", "since", "until", "version", "anonymized"]
)
@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_wrong_filter_lists_nothing_and_says_so(log_in: LogIn, name: str, value: str) -> None:
    SessionFactory()
    _expect_refusal(log_in("support"), name, value)


@pytest.mark.parametrize("name", ["operator", "id", "guest"])
@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_wrong_id_lists_nothing_and_says_so(log_in: LogIn, name: str, value: str) -> None:
    SessionFactory()
    _expect_refusal(log_in("support"), name, value)


def _expect_refusal(client: Client, name: str, value: str) -> None:
    response = client.get("/sessions/", {name: value.encode("utf-8", "surrogatepass")})
    if value == "":
        assert (response.status_code, len(ids(response))) == (200, 1)
        return
    assert (response.status_code, ids(response)) == (422, [])
    assert 'role="alert"' in response.content.decode()


@pytest.mark.parametrize(
    "day", ["0001-01-01", "9999-12-31", "1999-12-31", "2200-01-01", "2026-02-30", "10000-01-01"]
)
def test_a_day_outside_the_calendar_is_refused(log_in: LogIn, day: str) -> None:
    client = log_in("support")
    assert client.get(f"/sessions/?since={day}").status_code == 422
    assert client.get(f"/sessions/?until={day}").status_code == 422


def test_a_period_that_ends_before_it_begins_is_refused(log_in: LogIn) -> None:
    response = log_in("support").get("/sessions/?since=2026-02-02&until=2026-02-01")
    assert response.status_code == 422
    assert "The start date is after the end date." in response.content.decode()


@pytest.mark.parametrize("name", ["after", "before"])
@pytest.mark.parametrize("value", BAD_VALUES[1:])
def test_a_damaged_position_is_refused(log_in: LogIn, name: str, value: str) -> None:
    response = log_in("support").get("/sessions/", {name: value.encode("utf-8", "surrogatepass")})
    assert response.status_code == 422
    assert "The link to this page of the table is invalid." in response.content.decode()


def test_the_pages_are_linked_with_their_filters(log_in: LogIn) -> None:
    rows = make_rows(WebChatFactory(), 120)
    client = log_in("support")
    first = client.get("/sessions/?channel=chat")
    second = client.get("/sessions/" + first.context["links"]["older"])
    third = client.get("/sessions/" + second.context["links"]["older"])
    assert ids(first) + ids(second) + ids(third) == [row.pk for row in rows]
    assert third.context["links"]["older"] == ""
    assert ids(client.get("/sessions/" + third.context["links"]["newer"])) == ids(second)
    assert "channel=chat" in second.context["links"]["older"]


def test_htmx_gets_the_list_alone(log_in: LogIn) -> None:
    SessionFactory()
    client = log_in("support")
    part = client.get("/sessions/", headers={"HX-Request": "true"})
    assert part.content.decode().lstrip().startswith('<div id="sessions">')
    filtered = client.get(
        "/sessions/?webchat=&channel=chat&status=", headers={"HX-Request": "true"}
    )
    assert filtered.headers["HX-Push-Url"] == "/sessions/?channel=chat"
    wrong = client.get("/sessions/?id=x", headers={"HX-Request": "true"})
    assert wrong.status_code == 200
    restored = client.get(
        "/sessions/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}
    )
    assert "<html" in restored.content.decode()


def test_htmx_reloads_when_the_log_in_has_ended(client: Client) -> None:
    assert client.get("/sessions/", headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_columns_are_chosen_and_kept_for_the_log_in(log_in: LogIn) -> None:
    CanaryFactory()
    client = log_in("support")
    assert NAME in client.get("/sessions/").content.decode()
    response = client.post(
        "/sessions/columns/",
        {"columns": ["id", "duration"], "query": "channel=chat&next=https://x.example"},
    )
    assert response.headers["Location"] == "/sessions/?channel=chat"
    page = client.get("/sessions/").content.decode()
    assert NAME not in page
    assert re.findall(r"<th[^>]*>([^<]+)</th>", page) == ["Session ID", "Duration"]
    client.post("/sessions/columns/", {"reset": "1"})
    assert NAME in client.get("/sessions/").content.decode()


@pytest.mark.parametrize("columns", [[], ["nonsense"], ["id", "\0"], ["pk__guest__name"]])
def test_unknown_columns_change_nothing(log_in: LogIn, columns: list[str]) -> None:
    client = log_in("support")
    response = client.post("/sessions/columns/", {"columns": columns}, follow=True)
    assert "The columns were not changed" in response.content.decode()
    assert "sessions_columns" not in client.session


def test_columns_are_not_chosen_by_get(log_in: LogIn) -> None:
    assert log_in("support").get("/sessions/columns/").status_code == 405


def test_choosing_sessions_to_anonymize_needs_the_right(log_in: LogIn) -> None:
    session = SessionFactory()
    box = f'name="session" value="{session.pk}" form="bulk"'
    assert box in log_in("support").get("/sessions/").content.decode()
    assert box not in log_in("operator").get("/sessions/").content.decode()


def test_an_empty_table_says_what_to_do_next(log_in: LogIn) -> None:
    assert "/settings/webchat/" in log_in("administrator").get("/sessions/").content.decode()
    assert "No sessions yet" in log_in("operator").get("/sessions/").content.decode()
    WebChatFactory(entry_form=EntryForm.NONE, showroom_form=EntryForm.NONE, published=[])
    filtered = log_in("support").get("/sessions/?channel=phone").content.decode()
    assert "No session matches these filters" in filtered


def test_long_names_and_addresses_are_cut_and_whole_on_hover(log_in: LogIn) -> None:
    name, email = "Maximiliana Novotná-Procházková", "maximiliana.novotna@mail.example.com"
    SessionFactory(name=name, email=email)
    page = log_in("support").get("/sessions/").content.decode()
    for value in (name, email):
        assert f'class="text-nowrap"><span class="cut" title="{value}">{value}</span></td>' in page


def test_headings_stand_over_their_columns(log_in: LogIn) -> None:
    SessionFactory()
    client = log_in("support")
    client.post("/sessions/columns/", {"columns": ["id", "messages"]})
    page = client.get("/sessions/").content.decode()
    assert re.search(r'<th [^>]*class="text-end">Messages</th>', page)


def test_no_column_is_called_required(log_in: LogIn) -> None:
    page = log_in("support").get("/sessions/").content.decode()
    assert '<legend class="form-label">Columns</legend>' in page


def test_a_strip_for_pages_is_there_only_with_pages(log_in: LogIn, webchat: WebChat) -> None:
    make_rows(webchat, 1)
    client = log_in("operator")
    assert "card-footer" not in client.get("/sessions/").content.decode()
    make_rows(webchat, 60)
    assert "card-footer" in client.get("/sessions/").content.decode()
