"""Test erasures in a browser: preview, confirmation by POST, only what was shown, one record."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import factory
import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.utils import timezone

from anonymization import engine, restoration
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import BrokenChain
from anonymization.models import Erasure, FileDeletion, Note, Source
from anonymization.restoration import Standing
from sessions_app.models import Guest, Session
from tests.bystander import besides
from tests.database import digest
from tests.factories import (
    ErasureFactory,
    MessageFactory,
    RecordFactory,
    SessionFactory,
    StaffFactory,
    WebChatFactory,
)
from tests.pages import LogIn, compact
from tests.sessions_app.staff.rows import make_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bystander")]

BAD_IDS = [
    "null",
    "",
    "0",
    "-1",
    "1,2",
    "%25",
    "9223372036854775808",
    "[1]",
    "999999",
    "1%20or%201=1",
    "٣",
    "1.0",
]


def shown_on(response: Any) -> dict[str, Any]:
    return {f"shown-{name}": count for name, count in response.context["shown"]}


def test_page_previews_the_erasure_in_numbers(support: Client) -> None:
    session = SessionFactory(messages=["Hello"])
    SessionFactory(webchat=session.webchat)
    before = digest()
    response = support.get(f"/guests/{session.guest_id}/anonymize/")
    html = response.content.decode()
    counts = {str(line["title"]): line["count"] for line in response.context["lines"]}
    assert counts == {"sessions": 2, "message": 1, "guest": 1}, (
        "nothing is said of files: there are none"
    )
    assert "Jana Nováková" in html
    assert "IP address" in html
    after = digest()
    # The page at most renews the staff member's own login session.
    assert {t: rows for t, rows in after.items() if t != "django_session"} == {
        t: rows for t, rows in before.items() if t != "django_session"
    }


@pytest.mark.parametrize(("count", "listed", "more"), [(10, 10, ""), (15, 10, "and 5 more")])
def test_page_of_a_guest_says_how_many_sessions_it_does_not_list(
    support: Client, count: int, listed: int, more: str
) -> None:
    guest = SessionFactory().guest
    make_rows(WebChatFactory(), count - 1, guest=guest)
    html = compact(support.get(f"/guests/{guest.pk}/anonymize/"))
    assert len(re.findall(r'<div><a href="/sessions/\d+/">', html)) == listed
    assert re.findall(rf'<a href="/guests/{guest.pk}/">(and .* more)</a>', html) == (
        [more] if more else []
    )
    crumbs = '<a href="/guests/find/">Find a person</a>'
    assert crumbs in html.split('class="breadcrumb"')[1].split("</ol>")[0]


def test_sessions_to_compare_open_in_another_tab(support: Client) -> None:
    """The page answers a POST and is never cached. A browser that leaves it cannot return."""
    session = SessionFactory()
    html = compact(support.post("/sessions/anonymize/", {"session": [session.pk]}))
    assert f'<a href="/sessions/{session.pk}/" target="_blank" rel="noopener">' in html
    assert "opens in a new tab" in html


def test_what_stays_are_numbers_and_no_bookkeeping(support: Client) -> None:
    url = f"/sessions/{SessionFactory().pk}/anonymize/"
    before = support.get(url)
    record = support.post(url, shown_on(before), follow=True)
    previewed = next(line["kept"] for line in before.context["lines"] if line["title"] == "session")
    parts = {part.label: part for part in record.context["certificate"].parts}
    certified = {
        name
        for treatment in parts["sessions_app.Session"].treatments
        if treatment.what == "kept"
        for name in treatment.data
    }
    for kept in (set(previewed), certified):
        assert {"number of messages of the visitor", "number of files", "channel", "ID"} <= kept
        assert "anonymized in" not in kept
    # The session and the guest are cleared and not deleted.
    assert "<dt>Will be cleared</dt>" in compact(before)
    assert "<dt>Will be deleted</dt>" not in compact(before)
    assert ">cleared</td>" in compact(record)
    assert ">deleted</td>" not in compact(record)
    html = record.content.decode()
    assert "Session: 1</span>" in html
    assert "Files: 0" not in html, "nothing is listed of what there was none"


@pytest.mark.parametrize("kind", ["guests", "sessions"])
def test_confirmed_erasure_leads_to_its_record_once(support: Client, kind: str) -> None:
    session = SessionFactory()
    subject = session.guest if kind == "guests" else session
    assert subject is not None
    page = subject.get_absolute_url()
    url = f"{page}anonymize/"
    response = support.post(url, shown_on(support.get(url)), follow=True)

    erasure = Erasure.objects.get()
    assert response.redirect_chain == [(f"/erasures/{erasure.pk}/", 302)]
    assert (erasure.door, getattr(erasure.requested_by, "username", "")) == ("page", "support")
    html = response.content.decode()
    said = (
        f"{kind[:-1].capitalize()} {subject.pk} was anonymized: record 1 (guests: 1, sessions: 1)."
    )
    assert said in html
    assert said not in support.get(f"/erasures/{erasure.pk}/").content.decode()
    assert "Done: content and files are deleted, identifying fields are cleared" in html
    assert "Jana" not in html
    assert besides(Session).get().anonymized_in is not None
    again = support.post(url, follow=True)
    assert again.redirect_chain == [(page, 302)]
    assert "Nothing was changed" in again.content.decode()
    assert "/erasures/" not in again.content.decode().replace('href="/erasures/"', "")
    assert Erasure.objects.count() == 1
    assert support.get(url).headers["Location"] == page


@pytest.mark.parametrize(("role", "door"), [("superuser", "admin"), ("support", "page")])
def test_only_who_may_open_the_stock_admin_comes_from_there(
    log_in: LogIn, role: str, door: str
) -> None:
    client, url = log_in(role), f"/sessions/{SessionFactory().pk}/anonymize/"
    page = client.get(f"{url}?door=admin")
    client.post(url, {**shown_on(page), "door": page.context["door"]})
    assert Erasure.objects.get().door == door


def test_guest_who_came_back_since_is_not_erased_and_not_called_erased(support: Client) -> None:
    session = SessionFactory()
    url = f"/sessions/{session.pk}/anonymize/"
    page = support.get(url)
    assert "so the guest is anonymized too" in page.content.decode()
    SessionFactory(webchat=session.webchat)
    assert support.post(url, shown_on(page)).status_code == 409
    assert not Erasure.objects.exists()


def test_guest_who_was_not_shown_is_not_erased_with_the_session(support: Client) -> None:
    session = SessionFactory()
    other = SessionFactory(webchat=session.webchat)
    url = f"/sessions/{session.pk}/anonymize/"
    page = support.get(url)
    assert "shown-sessions_app.Guest" not in shown_on(page)
    ErasureFactory(subject=other)
    assert support.post(url, shown_on(page)).status_code == 409
    assert besides(Guest).get().name == "Jana Nováková"


@pytest.mark.parametrize(
    "shown", [{}, {"shown-sessions_app.Session": "1"}, {"shown-sessions_app.Session": "x"}]
)
def test_more_than_was_shown_is_refused(support: Client, shown: dict[str, str]) -> None:
    session = SessionFactory()
    url = f"/guests/{session.guest_id}/anonymize/"
    stale = {**shown_on(support.get(url)), **shown} if shown else {}
    SessionFactory(webchat=session.webchat)
    response = support.post(url, stale)
    assert response.status_code == 409
    assert "has changed since you saw it" in response.content.decode()
    assert not Erasure.objects.exists()
    assert besides(Guest).get().name == "Jana Nováková"
    assert support.post(url, shown_on(response)).status_code == 302


def test_as_many_as_were_shown_but_not_the_same_are_refused(support: Client) -> None:
    first = SessionFactory()
    gone = SessionFactory(webchat=first.webchat)
    url = f"/guests/{first.guest_id}/anonymize/"
    page = support.get(url)
    ErasureFactory(subject=gone)
    new = SessionFactory(webchat=first.webchat)
    response = support.post(url, shown_on(page))
    assert response.status_code == 409
    assert Session.objects.get(pk=new.pk).anonymized_in is None
    assert support.post(url, shown_on(response)).status_code == 302


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("kind", ["guests", "sessions"])
def test_bad_id_is_not_found_and_changes_nothing(support: Client, kind: str, bad: str) -> None:
    SessionFactory()
    before = digest()
    for response in (
        support.get(f"/{kind}/{bad}/anonymize/"),
        support.post(f"/{kind}/{bad}/anonymize/"),
    ):
        assert response.status_code == 404
    assert digest() == before


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_several_are_erased_by_post_only(support: Client, method: str) -> None:
    SessionFactory()
    assert getattr(support, method)("/sessions/anonymize/").status_code == 405
    assert support.head(f"/sessions/{besides(Session).get().pk}/anonymize/").status_code == 405


def test_several_are_shown_then_erased_each_with_a_record(support: Client) -> None:
    sessions = SessionFactory.create_batch(3, new_guest=True)
    MessageFactory(session=sessions[0])
    chosen = {"session": [session.pk for session in sessions[:2]], "query": "channel=chat&after=x"}
    page = support.post("/sessions/anonymize/", chosen)
    assert page.status_code == 200
    html = compact(page)
    assert "Permanently anonymize 2 sessions" in html
    assert re.search(r"<button [^>]*btn-danger[^>]*>.*?Anonymize 2 sessions</button>", html)
    lines = {str(line["title"]): line for line in page.context["lines"]}
    assert {title: line["count"] for title, line in lines.items()} == {
        "message": 1,
        "sessions": 2,
        "guests": 2,
    }
    assert "IP address" in lines["sessions"]["cleared"]
    assert "number of messages of the visitor" in lines["sessions"]["kept"]
    assert "What is deleted, cleared and kept" in html
    assert 'href="/sessions/?channel=chat&amp;after=x"' in html
    assert not Erasure.objects.exists()

    done = support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})

    assert done.headers["Location"] == "/sessions/?channel=chat&after=x"
    html = support.get("/sessions/").content.decode()
    assert (
        "2 sessions were anonymized. Guests anonymized with their last session: 2. Messages deleted: 1."
        ' <a href="/erasures/?before=3">Open the records</a>'
    ) in html
    assert [row.number for row, *_ in support.get("/erasures/?before=3").context["rows"]] == [2, 1]
    assert Erasure.objects.count() == 2
    assert besides(Session).get(anonymized_in=None) == sessions[2]
    again = support.post(
        "/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"}, follow=True
    )
    assert "Nothing was changed" in again.content.decode()


@pytest.mark.parametrize(
    "query", ["//evil.example", "https://evil.example/", "next=//evil.example", "\0", "x=1"]
)
def test_the_way_back_from_several_stays_here(support: Client, query: str) -> None:
    session = SessionFactory()
    page = support.post("/sessions/anonymize/", {"session": [session.pk], "query": query})
    sent = {"session": [session.pk], "query": query, "confirm": "yes", **shown_on(page)}
    assert support.post("/sessions/anonymize/", sent).headers["Location"] == "/sessions/"


def test_several_sessions_of_one_guest_take_the_guest_with_the_last(support: Client) -> None:
    chosen = {"session": [session.pk for session in SessionFactory.create_batch(2)]}
    page = support.post("/sessions/anonymize/", chosen)
    assert [len(takes.split()) for takes in shown_on(page).values()] == [1, 2]
    support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})
    assert besides(Guest).get().anonymized_in is not None


def test_several_are_refused_whole_when_one_takes_more_than_was_shown(support: Client) -> None:
    first = SessionFactory(new_guest=True)
    other, later = SessionFactory.create_batch(2)
    chosen = {"session": [first.pk, other.pk]}
    page = support.post("/sessions/anonymize/", chosen)
    ErasureFactory(subject=later)

    refused = support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})

    assert refused.status_code == 409
    assert "has changed since you saw it" in refused.content.decode()
    assert Erasure.objects.count() == 1
    assert support.post("/sessions/anonymize/", {**chosen, "confirm": "yes"}).status_code == 409, (
        "nothing shown"
    )
    sent = {**chosen, **shown_on(refused), "confirm": "yes"}
    assert support.post("/sessions/anonymize/", sent).status_code == 302


def test_several_do_not_take_another_guest_than_was_shown(support: Client) -> None:
    session = SessionFactory()
    chosen = {"session": [session.pk]}
    page = support.post("/sessions/anonymize/", chosen)
    other = Guest.objects.create(name="Petr")
    Session.objects.filter(pk=session.pk).update(guest=other)

    refused = support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})

    assert refused.status_code == 409
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("erased", [0, 1])
def test_several_say_what_was_erased_when_the_database_fails(
    support: Client, monkeypatch: pytest.MonkeyPatch, erased: int
) -> None:
    sessions = SessionFactory.create_batch(3, new_guest=True)
    chosen = {"session": [session.pk for session in sessions]}
    page = support.post("/sessions/anonymize/", chosen)
    append = recording.chain

    def failing(records: list[Erasure]) -> None:
        if Erasure.objects.count() == erased:
            with connection.cursor() as cursor:
                cursor.execute("SELECT kanarvalue FROM nowhere")
        append(records)

    monkeypatch.setattr(engine, "chain", failing)
    stopped = support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})
    html = stopped.content.decode()
    assert stopped.status_code == 503
    assert (
        "1 session was anonymized. Guests anonymized with their last session: 1. Then a database error occurred"
        in html
        if erased
        else "A database error occurred. Nothing was erased." in html
    )
    assert "kanarvalue" not in html
    assert Session.objects.exclude(anonymized_in=None).count() == Erasure.objects.count() == erased
    monkeypatch.undo()
    sent = {**chosen, **shown_on(stopped), "confirm": "yes"}
    assert support.post("/sessions/anonymize/", sent).status_code == 302
    assert Erasure.objects.count() == 3


def test_several_stop_at_the_first_that_changes_meanwhile(
    support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = SessionFactory.create_batch(3, new_guest=True)
    chosen = {"session": [session.pk for session in sessions]}
    page = support.post("/sessions/anonymize/", chosen)
    erase = engine.erase

    def changing(session: Any, **how: Any) -> Any:
        if session == sessions[1]:
            SessionFactory(name=session.entered_name, email=session.entered_email)
        return erase(session, **how)

    monkeypatch.setattr(engine, "erase", changing)
    stopped = support.post("/sessions/anonymize/", {**chosen, **shown_on(page), "confirm": "yes"})
    html = stopped.content.decode()
    assert stopped.status_code == 409
    assert (
        "1 session was anonymized. Guests anonymized with their last session: 1. One session has"
        in html
    )
    assert "alert-success" not in html
    assert besides(Session).filter(anonymized_in=None).count() == 3


@pytest.mark.parametrize(
    "chosen",
    [
        [],
        ["x"],
        ["999999"],
        ["-1"],
        ["0"],
        ["9" * 19],
        ["9" * 30],
        ["\0"],
        ["01"],
        list(range(1, 102)),
    ],
    ids=len,
)
def test_wrong_choice_of_several_erases_nothing(support: Client, chosen: list[Any]) -> None:
    session = SessionFactory()
    before = digest()
    response = support.post(
        "/sessions/anonymize/",
        {"session": [*chosen, session.pk] if chosen else [], "confirm": "yes"},
    )
    assert response.status_code == 422
    after = digest()
    assert {**after, "django_session": set()} == {**before, "django_session": set()}


def test_list_of_erasures_is_paged_by_number(log_in: LogIn) -> None:
    officer = log_in("officer")
    RecordFactory.create_batch(120)
    html = officer.get("/erasures/").content.decode()
    assert "Record 120" in html
    assert "Record 70<" not in html
    older = officer.get("/erasures/?before=71").content.decode()
    assert "Record 70<" in older
    for bad in ("x", "-1", "9" * 40, "%00"):
        assert officer.get(f"/erasures/?before={bad}").status_code == 200


@pytest.fixture
def ledger() -> list[Erasure]:
    """Return five erasures, one a day from 1 to 5 March. Every second one is by command."""
    midnight = timezone.make_aware(datetime(2026, 3, 1))
    return [
        RecordFactory(
            created_at=midnight + timedelta(days=day), door="page" if day % 2 else "command"
        )
        for day in range(5)
    ]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("since=2026-03-02&until=2026-03-03", [3, 2]),
        ("until=2026-03-01", [1]),
        ("door=command", [5, 3, 1]),
        ("door=command&since=2026-03-02&before=5", [3]),
        ("door=api", []),
        ("unknown=1", [5, 4, 3, 2, 1]),
    ],
)
@pytest.mark.usefixtures("ledger")
def test_list_of_erasures_is_filtered_by_period_and_door(
    support: Client, query: str, numbers: list[int]
) -> None:
    response = support.get(f"/erasures/?{query}")
    assert response.status_code == 200
    assert [row.number for row, *_ in response.context["rows"]] == numbers
    assert ("No erasure matches these filters" in response.content.decode()) == (numbers == [])


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=x", "Enter a date between 2000 and 2199."),
        ("since=1999-12-31", "Enter a date between 2000 and 2199."),
        ("until=2200-01-01", "Enter a date between 2000 and 2199."),
        ("since=1.3.2026", "Enter a date between 2000 and 2199."),
        ("door=x", "Select a valid choice."),
        ("door=%00", "Select a valid choice."),
        ("since=2026-03-02&until=2026-03-01", "The start date is after the end date."),
    ],
)
def test_wrong_filter_lists_no_erasure_and_says_so(support: Client, query: str, said: str) -> None:
    response = support.get(f"/erasures/?{query}")
    assert (response.status_code, response.context["rows"]) == (422, [])
    assert 'role="alert"' in response.content.decode()
    assert said in response.content.decode()


@pytest.mark.usefixtures("ledger")
def test_a_filter_is_kept_in_its_field_and_goes_by_its_chip(support: Client) -> None:
    query = "since=2000-01-01&until=2199-12-31&door=command"
    response = support.get(f"/erasures/?{query}&unknown=1&before=6")
    html = response.content.decode()
    for name, value in (("since", "2000-01-01"), ("until", "2199-12-31")):
        (field,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', html)
        assert 'type="date"' in field
        assert f'value="{value}"' in field
        assert f'id="filter_{name}"' in field
    assert [tuple(map(str, chip)) for chip in response.context["chips"]] == [
        ("From", "1 Jan 2000", "until=2199-12-31&door=command"),
        ("To", "31 Dec 2199", "since=2000-01-01&door=command"),
        ("Source", "Command", "since=2000-01-01&until=2199-12-31"),
    ]
    assert response.context["filters"].query == query
    assert (
        support.get("/erasures/?since=2026-03-01&until=2026-03-01").context["rows"][0][0].number
        == 1
    )


def test_pages_of_erasures_keep_their_filter(support: Client) -> None:
    RecordFactory.create_batch(120, door=factory.Iterator(["page", "command"]))
    first = support.get("/erasures/?door=page")
    assert 'href="?door=page&amp;before=21"' in first.content.decode()
    second = support.get("/erasures/?door=page&before=21")
    numbers = [row.number for response in (first, second) for row, *_ in response.context["rows"]]
    assert numbers == list(range(119, 0, -2))
    assert 'href="/erasures/?door=page"' in second.content.decode()


def test_list_of_erasures_says_what_and_how_much_went(support: Client) -> None:
    session = SessionFactory(messages=["Hello"])
    record = ErasureFactory(subject=session)
    note = recording.note(Note.REPLAYED, requester=recording.Requester(Source.COMMAND))
    FileDeletion.objects.create(erasure=record, name="a")
    response = support.get("/erasures/")
    assert ">guests: 1, sessions: 1, messages: 1</td>" in response.content.decode()
    assert response.context["rows"] == [
        (note, "Erasures replayed after a restored backup", [], 0),
        (record, "session", ["guests: 1", "sessions: 1", "messages: 1"], 1),
    ]
    page = support.get(f"/erasures/{record.pk}/")
    assert page.context["certificate"].kind == "session"
    assert "What was deleted, cleared and kept" in page.content.decode()
    about_the_ledger = support.get(f"/erasures/{note.pk}/")
    assert (
        about_the_ledger.context["certificate"].kind == "Erasures replayed after a restored backup"
    )
    assert about_the_ledger.context["certificate"].evidence == []
    assert "What was deleted" not in about_the_ledger.content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_list_of_erasures_costs_the_same_however_long(
    support: Client, count: int, django_assert_num_queries: Any
) -> None:
    by_staff = {"door": Source.PAGE, "requested_by": StaffFactory(role="support")}
    ErasureFactory.create_batch(count, subject__new_guest=True, **by_staff)
    support.get("/erasures/")
    with django_assert_num_queries(7):
        assert len(support.get("/erasures/").context["rows"]) == count


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (Standing.EVEN, "The database and the external copy of the ledger match."),
        (Standing.MISSING, "The external copy of the ledger is missing"),
        (Standing.BEHIND, "The database is older than the external copy of the ledger"),
        (Standing.FOREIGN, "The external copy does not belong to this database"),
    ],
)
def test_the_page_after_a_restore_shows_the_state(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch, standing: Standing, said: str
) -> None:
    planned = restoration.Plan([], [], 0, {})
    monkeypatch.setattr(external_copy, "file_of", lambda: Path("ledger.jsonl"))
    monkeypatch.setattr(restoration, "standing", lambda: standing)
    monkeypatch.setattr(restoration, "plan", lambda: planned)
    page = log_in("administrator").get("/erasures/replay/")
    assert (page.status_code, page.context["standing"]) == (200, standing.value)
    assert said in page.content.decode()
    assert page.context["plan"] is (
        planned if standing in {Standing.BEHIND, Standing.FOREIGN} else None
    )


def test_a_replay_ends_at_its_page_and_a_refusal_is_said_there(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator, url = log_in("administrator"), "/erasures/replay/"
    assert (
        "There is no external copy of the erasure ledger."
        in administrator.get(url).content.decode()
    )
    assert administrator.post(url).status_code == 409, "no copy is kept"
    monkeypatch.setattr(external_copy, "file_of", lambda: Path("ledger.jsonl"))
    monkeypatch.setattr(restoration, "standing", lambda: Standing.BEHIND)
    monkeypatch.setattr(restoration, "plan", lambda: "planned")
    asked: list[Any] = []
    answers: list[Any] = [False, True, engine.Overtaken("Another replay runs.")]

    def carry_out(planned: Any, **how: Any) -> bool:
        asked.append((planned, how))
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return bool(answer)

    done = "The database and the external copy match."
    monkeypatch.setattr(restoration, "carry_out", carry_out)
    for is_done in (False, True):
        assert administrator.post(url).headers["Location"] == url
        said = [str(message) for message in get_messages(administrator.get("/").wsgi_request)]
        assert said == ([done] if is_done else [])
    refused = administrator.post(url)
    assert (refused.status_code, refused.context["refusal"]) == (409, "Another replay runs.")
    requester = recording.Requester(Source.PAGE, StaffFactory(role="administrator"))
    assert asked == [("planned", {"requester": requester, "within": 20})] * 3
    monkeypatch.setattr(restoration, "plan", _broken)
    broken = administrator.post(url)
    assert (broken.status_code, broken.context["standing"]) == (409, "foreign")
    assert "record 2: differs" in broken.content.decode()


def _broken() -> None:
    raise BrokenChain(2, "differs")
