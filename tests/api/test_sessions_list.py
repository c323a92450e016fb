"""Test the list of sessions: spelling of parameters, filters, pages, and a stable order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from sessions_app.api.filters import MOMENTS
from sessions_app.gate import Visit
from sessions_app.models import Session, Status
from tests.factories import ErasureFactory, SessionFactory, StaffFactory, WebChatFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0"


def at(session: Session, **times: Any) -> None:
    Session.objects.filter(pk=session.pk).update(**times)


def day(number: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 10, number, hour, minute, tzinfo=UTC)


@pytest.fixture
def three() -> list[int]:
    """Return three sessions of October.

    That of the 1st is in Czech and closed, that of the 2nd is an active call, that of the 3rd
    waits.
    """
    shop, operator = WebChatFactory(name="Shop Prague"), StaffFactory()
    other = WebChatFactory(name="Other", published=["One", "Two"])
    visit = Visit("203.0.113.7", FIREFOX, "https://shop.example/a")
    first = SessionFactory(webchat=shop, language="cs", visit=visit, operator=operator, ended=True)
    visit = Visit("2001:db8::1", EDGE, "https://x.example/B")
    email = "b@example.com"
    second = SessionFactory(
        webchat=other, showroom=True, email=email, visit=visit, operator=operator
    )
    third = SessionFactory(webchat=other, email="c@example.com", visit=Visit(None, IPHONE))
    at(first, created_at=day(1, 10), accepted_at=day(1, 10, 1), ended_at=day(1, 10, 5),
       waited=timedelta(seconds=60), duration=timedelta(minutes=4, seconds=40))  # fmt: skip
    at(second, created_at=day(2), accepted_at=day(2, 0, 1), waited=timedelta(seconds=30))
    at(third, created_at=day(3, 23, 59))
    return [first.pk, second.pk, third.pk]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [3, 2, 1]),
        ({"created.min": "2026-10-02"}, [3, 2]),
        ({"CREATED.MIN": "2026-10-02T00:00:00"}, [3, 2]),
        ({"Created.Min": "2026-10-02T00:00:00.001Z"}, [3]),
        ({"Created.Min": "2026-10-02t00:00:00z"}, [3, 2]),
        ({"Created.Max": "2026-10-02T00:00:00.000Z"}, [2, 1]),
        ({"created.min": "2026-10-02T01:00:00+01:00"}, [3, 2]),
        ({"created.min": "2026-10-02T01:00:00 01:00"}, [3, 2]),
        ({"created.max": "2026-10-01T12:00:00.0000000Z"}, [1]),
        ({"created.min": "2026-10-01", "created.max": "2026-11-01", "limit": "5000"}, [3, 2, 1]),
        (
            {"created.min": "0001-01-01T00:00:00", "created.max": "9999-12-31T23:59:59.9999999"},
            [3, 2, 1],
        ),
        ({"GuestJoined.Max": "2026-10-02"}, [2, 1]),
        ({"Accepted.Null": "true"}, [3]),
        ({"accepted.min": "2026-10-01T10:01:00Z"}, [2, 1]),
        ({"Ended.Null": "False"}, [1]),
        ({"Ended.Max": "2026-10-01T10:05:00Z"}, [1]),
        ({"Anonymized.Null": "true"}, [3, 2, 1]),
        ({"Anonymized.Null": "false"}, []),
        ({"WaitingTime.Min": "PT1M"}, [1]),
        ({"WaitingTime.Max": "00:00:30"}, [2]),
        ({"Duration.Null": "true"}, [3, 2]),
        ({"Duration.Min": "PT4M40S", "Duration.Max": "280"}, [1]),
        ({"status": "CLOSED"}, [1]),
        ({"Status": ["closed", "Waiting"]}, [3, 1]),
        ({"Status": "BCW"}, []),
        ({"Channel": "AV"}, [2]),
        ({"channel": ["chat", "av"]}, [3, 2, 1]),
        ({"Channel": "Phone"}, []),
        ({"Source": "default"}, [3, 2, 1]),
        ({"Source": ["API", "Default"]}, [3, 2, 1]),
        ({"Source": "Campaign"}, []),
        ({"Widget": "shop prague"}, [1]),
        ({"Widget": ["Shop Prague", "Other"]}, [3, 2, 1]),
        ({"Widget": "Shop"}, []),
        ({"Tags": "vip"}, []),
        ({"OS": "linux"}, [1]),
        ({"OS": ["IOS", "WINDOWS"]}, [3, 2]),
        ({"Browser": "FF"}, [1]),
        ({"Browser": ["CHROMIUM_EDGE", "SAFARI"]}, [3, 2]),
        ({"Browser": "CHROME"}, []),
        ({"GDPRVersion.Exact": "1/cs"}, [1]),
        ({"gdprversion.text": "2/"}, [3, 2]),
        ({"GDPRVersion.Text": "EN"}, [3, 2]),
        ({"GDPRVersion.Exact": "2/en", "GDPRVersion.Null": "false"}, [3, 2]),
        ({"GDPRVersion.Null": "true"}, []),
        ({"GDPRVersion.Exact": "%"}, []),
        ({"LandingPage.Text": "x.example/b"}, [2]),
        ({"LandingPage.Exact": "https://shop.example/a"}, [1]),
        ({"LandingPage.Null": "true"}, [3]),
        ({"LandingPage.Text": "%"}, []),
        ({"IPAddress.Exact": "203.0.113.7"}, [1]),
        ({"IPAddress.Exact": "2001:DB8:0::1"}, [2]),
        ({"IPAddress.Text": "113"}, [1]),
        ({"IPAddress.Null": "1"}, [3]),
        ({"Language.Exact": "cs"}, [1]),
        ({"Language.Null": "true"}, []),
        ({"limit": "1"}, [3]),
        ({"limit": "1", "offset": "1"}, [2]),
        ({"limit": "100000", "offset": "2"}, [1]),
        ({"offset": "3"}, []),
        ({"offset": "9223372036854775807"}, []),
    ],
    ids=str,
)
def test_parameters(api: Any, three: list[int], query: dict[str, Any], expected: list[int]) -> None:
    rows = api().sessions(**query)
    assert [three.index(row["id"]) + 1 for row in rows] == expected


def test_ids_and_sets_of_ids(api: Any, three: list[int]) -> None:
    sessions = {session.pk: session for session in Session.objects.all()}
    caller, first = api(), sessions[three[0]]
    assert [row["id"] for row in caller.sessions(SessionId=[three[0], three[2]])] == [
        three[2],
        three[0],
    ]
    assert [row["id"] for row in caller.sessions(clientid=first.guest_id)] == [three[0]]
    assert [row["id"] for row in caller.sessions(DepartmentId=first.webchat_id)] == [three[0]]
    assert [row["id"] for row in caller.sessions(OperatorUserId=first.operator_id)] == [
        three[1],
        three[0],
    ]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("Colour=red", "Colour"),
        ("access_token=x", "access_token"),
        ("limit=0", "limit"),
        ("limit=100001", "limit"),
        ("Limit=ten", "Limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=1&LIMIT=2", "limit"),
        ("limit=", "limit"),
        ("offset=-1", "offset"),
        ("offset=9223372036854775808", "offset"),
        ("limit=%D9%A3", "limit"),
        ("created.min=yesterday", "created.min"),
        ("Created.Min=", "Created.Min"),
        ("Created.Min=2026-13-01", "Created.Min"),
        ("Created.Min=9999-12-31T23:59:59-10:00", "Created.Min"),
        ("Created=2026-10-01", "Created"),
        ("Anonymized.Null=maybe", "Anonymized.Null"),
        ("Duration.Min=long", "Duration.Min"),
        ("Duration.Min=", "Duration.Min"),
        ("Duration.Min=PT", "Duration.Min"),
        ("Duration.Min=P999999999999D", "Duration.Min"),
        ("Status=OPEN", "Status"),
        ("Status=CLOSED&Status=", "Status"),
        ("Channel=0", "Channel"),
        ("Browser=LYNX", "Browser"),
        ("SessionId=1,2", "SessionId"),
        ("SessionId=null", "SessionId"),
        ("ClientId=0", "ClientId"),
        ("ClientId=9223372036854775808", "ClientId"),
        ("IPAddress.Exact=somewhere", "IPAddress.Exact"),
        ("LandingPage.Text=a%00b", "LandingPage.Text"),
        ("Widget=a%00b", "Widget"),
        ("%00=1", "\0"),
    ],
)
def test_a_wrong_parameter_is_named(api: Any, query: str, named: str) -> None:
    SessionFactory()
    response = api().client.get(f"/api/v1/Sessions?{query}")
    assert response.status_code == 400
    answer = response.json()
    assert list(answer) == [named]
    assert all(isinstance(message, str) and message for message in answer.values())


def test_all_mistakes_are_named_at_once_and_a_call_without_parameters_takes_none(api: Any) -> None:
    session = SessionFactory()
    answer = api().get("/api/v1/Sessions", limit="x", Nonsense="1", **{"Created.Min": "x"})
    assert set(answer.json()) == {"limit", "Nonsense", "Created.Min"}
    for path in (f"/api/v1/Sessions/{session.pk}", f"/api/v1/Guests/{session.guest_id}"):
        assert api().get(path, expand="1").json() == {"expand": "This parameter is unknown."}
    for path in (f"/api/v1/Sessions/{session.pk}/anonymous", "/api/v1/Guests/find"):
        assert api().post(f"{path}?force=1").json() == {"force": "This parameter is unknown."}
    session.refresh_from_db()
    assert session.anonymized_in is None


def test_too_many_parameters_are_a_clean_refusal(api: Any) -> None:
    response = api().client.get(
        "/api/v1/Sessions?" + "&".join(f"SessionId={n}" for n in range(1, 3000))
    )
    assert response.status_code == 400
    assert list(response.json()) == ["detail"]


def test_any_number_of_names_is_one_comparison(api: Any, three: list[int]) -> None:
    names = [f"Other {number}" for number in range(995)]
    assert [row["id"] for row in api().sessions(Widget=[*names, "SHOP PRAGUE"])] == [three[0]]


def test_pages_are_complete_and_an_arrival_between_them_hides_nothing(
    api: Any, webchat: WebChat
) -> None:
    pks = {session.pk for session in SessionFactory.create_batch(25, webchat=webchat)}
    Session.objects.update(created_at=day(5))
    caller, seen, offset = api(), [], 0
    while rows := caller.sessions(limit=10, offset=offset):
        seen += [row["id"] for row in rows]
        offset += 10
        SessionFactory(webchat=webchat)
    assert pks <= set(seen)
    assert [pk for pk in seen if pk in pks] == sorted(
        (pk for pk in seen if pk in pks), reverse=True
    )


def many(count: int) -> list[int]:
    """Store sessions with the same time and return their numbers, newest first."""
    made = SessionFactory.create_batch(count, webchat=WebChatFactory(), new_guest=True)
    Session.objects.update(created_at=day(5, 12))
    return [session.pk for session in reversed(made)]


@pytest.mark.parametrize(
    "period", [{}, {"Created.Min": "2026-10-01", "Created.Max": "2026-11-01"}], ids=str
)
def test_who_anonymizes_page_by_page_misses_nobody(api: Any, period: dict[str, str]) -> None:
    """An erasure rounds the start of a session. The order of the other rows does not change."""
    expected, caller, seen, offset = many(30), api(), [], 0
    while rows := caller.sessions(limit=10, offset=offset, **period):
        seen += [row["id"] for row in rows]
        for row in rows:
            caller.post(f"/api/v1/Sessions/{row['id']}/anonymize")
        offset += 10
    assert seen == expected
    assert not Session.objects.filter(anonymized_in=None).exists()


def test_a_rounded_start_is_in_every_period_in_which_it_may_have_been(
    api: Any, settings: Any
) -> None:
    settings.ERASURE_TIME_PRECISION = "month"
    (pk,) = many(1)
    ErasureFactory(subject=Session.objects.get(pk=pk))
    found = {
        low: bool(api().sessions(**{"Created.Min": low}))
        for low in ("2026-09-30", "2026-10-31", "2026-11-02")
    }
    assert found == {"2026-09-30": True, "2026-10-31": True, "2026-11-02": False}


@pytest.mark.parametrize("parameter", MOMENTS)
def test_no_time_that_an_erasure_rounds_falls_out_of_its_period(
    api: Any, settings: Any, parameter: str
) -> None:
    """A program that anonymizes page by page must still find all sessions of the period."""
    settings.ERASURE_TIME_PRECISION = "month"
    session = SessionFactory()
    at(
        session,
        status=Status.CLOSED,
        **dict.fromkeys(("created_at", "accepted_at", "ended_at"), day(20)),
    )
    ErasureFactory(subject=session)
    session.refresh_from_db()
    left = getattr(session, MOMENTS[parameter])
    assert left != day(20), "it is rounded or cleared"
    assert bool(api().sessions(**{f"{parameter}.Min": "2026-10-20"})) == (left is not None)


def test_an_erasure_while_the_list_is_sent_changes_no_page(api: Any) -> None:
    expected = many(300)
    parts = iter(api().get("/api/v1/Sessions", limit=280).streaming_content)
    first = next(parts) + next(parts)
    for pk in (expected[0], expected[275], expected[299]):
        ErasureFactory(subject=Session.objects.get(pk=pk))
    rows = json.loads(first + b"".join(parts))
    assert [row["id"] for row in rows] == expected[:280]
    assert rows[275]["guest"]["callParams"] == {}


@pytest.mark.parametrize("rows", [1, 3])
def test_the_number_of_queries_does_not_grow(
    api: Any, rows: int, django_assert_num_queries: Any
) -> None:
    SessionFactory.create_batch(
        rows, webchat=WebChatFactory(), new_guest=True, messages=["one", "two"]
    )
    caller = api()
    caller.sessions()
    # The queries: token, keys of the page, sessions, messages, files, consent.
    with django_assert_num_queries(6) as captured:
        assert len(caller.sessions()) == rows
    assert isinstance(captured, CaptureQueriesContext)
