"""Test sessions and guests in the stock admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.models import Session
from tests.factories import GuestFactory, WebChatFactory
from tests.pages import LogIn
from tests.sessions_app.staff.rows import BAD_VALUES, EMAIL, NAME, PHONE, CanaryFactory, make_rows

pytestmark = pytest.mark.django_db
SESSIONS, GUESTS = "/admin/sessions_app/session/", "/admin/sessions_app/guest/"


def act(client: Client, url: str, keys: list[Any], **data: str) -> Any:
    return client.post(url, {"action": "anonymize", "_selected_action": keys, **data})


@pytest.mark.parametrize("url", [SESSIONS, GUESTS])
def test_only_a_superuser_may_look(log_in: LogIn, url: str) -> None:
    assert log_in("officer").get(url).status_code == 302
    assert log_in("superuser").get(url).status_code == 200


def test_no_person_is_shown(log_in: LogIn) -> None:
    session = CanaryFactory()
    client = log_in("superuser")
    for url, key in ((SESSIONS, session.pk), (GUESTS, session.guest_id)):
        page = client.get(url).content.decode() + client.get(f"{url}{key}/change/").content.decode()
        assert f"{url}{key}/change/" in page
        for value in (NAME, EMAIL, PHONE):
            assert value not in page


@pytest.mark.parametrize("url", [SESSIONS, GUESTS])
def test_nothing_can_be_added_changed_or_deleted(log_in: LogIn, url: str) -> None:
    session = CanaryFactory()
    key = session.pk if url == SESSIONS else session.guest_id
    client = log_in("superuser")
    assert client.get(f"{url}add/").status_code == 403
    assert client.post(f"{url}{key}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"{url}{key}/delete/", {"post": "yes"}).status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "lookup",
    [
        "entered_name__startswith=J",
        "guest__email__contains=a",
        "name_key=x",
        "email__regex=.",
        "note=x",
    ],
)
@pytest.mark.parametrize("url", [SESSIONS, GUESTS])
def test_a_person_cannot_be_guessed_through_the_url(log_in: LogIn, url: str, lookup: str) -> None:
    CanaryFactory()
    assert log_in("superuser").get(f"{url}?{lookup}").status_code in (302, 400)


@pytest.mark.parametrize("url", [SESSIONS, GUESTS])
def test_the_search_finds_ids_and_nothing_else(log_in: LogIn, url: str) -> None:
    session = CanaryFactory()
    key = session.pk if url == SESSIONS else session.guest_id
    client = log_in("superuser")
    assert client.get(f"{url}?q={key}").context["cl"].result_count == 1
    for text in (NAME, EMAIL, "Žofie"):
        assert client.get(url, {"q": text}).context["cl"].result_count == 0


@pytest.mark.parametrize("value", BAD_VALUES)
@pytest.mark.parametrize(
    "name", ["q", "p", "o", "webchat__id__exact", "status__exact", "anonymized_in__isempty"]
)
def test_odd_values_break_nothing(log_in: LogIn, name: str, value: str) -> None:
    CanaryFactory()
    response = log_in("superuser").get(SESSIONS, {name: value.encode("utf-8", "surrogatepass")})
    assert response.status_code in (200, 302, 400)


def test_the_list_is_counted_up_to_a_limit(log_in: LogIn) -> None:
    make_rows(WebChatFactory(), 60)
    client = log_in("superuser")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(SESSIONS).status_code == 200
    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"]]
    assert counts
    assert all("LIMIT 2000" in sql for sql in counts)
    assert len(queries) <= 12


def test_one_session_leads_to_its_confirm_page(log_in: LogIn) -> None:
    session = CanaryFactory()
    client = log_in("superuser")
    response = act(client, SESSIONS, [session.pk])
    assert response.headers["Location"] == f"/sessions/{session.pk}/anonymize/?door=admin"
    response = act(client, GUESTS, [session.guest_id])
    assert response.headers["Location"] == f"/guests/{session.guest_id}/anonymize/?door=admin"
    session.refresh_from_db()
    assert session.anonymized_in is None
    assert not LogEntry.objects.exists()


def test_several_sessions_lead_to_a_form_and_several_guests_are_refused(log_in: LogIn) -> None:
    rows = make_rows(WebChatFactory(), 3)
    client = log_in("superuser")
    page = act(client, SESSIONS, [row.pk for row in rows[:2]]).content.decode()
    assert 'action="/sessions/anonymize/"' in page
    assert [f'name="session" value="{row.pk}"' in page for row in rows] == [True, True, False]
    guests = GuestFactory.create_batch(2)
    response = client.post(
        GUESTS, {"action": "anonymize", "_selected_action": [g.pk for g in guests]}, follow=True
    )
    assert "Guests are anonymized one at a time. Select one guest." in response.content.decode()


def test_all_pages_and_more_than_a_hundred_are_refused(log_in: LogIn) -> None:
    rows = make_rows(WebChatFactory(), 101)
    client = log_in("superuser")
    data = {"action": "anonymize", "_selected_action": [rows[0].pk], "select_across": "1"}
    page = client.post(SESSIONS, data, follow=True).content.decode()
    assert "anonymize all pages at once. Select the rows one by one." in page
    data = {"action": "anonymize", "_selected_action": [row.pk for row in rows]}
    assert (
        "You can select at most 100 at once."
        in client.post(SESSIONS, data, follow=True).content.decode()
    )
    assert not Session.objects.exclude(anonymized_in=None).exists()


@pytest.mark.parametrize("value", BAD_VALUES[1:])
def test_odd_choices_break_nothing(log_in: LogIn, value: str) -> None:
    CanaryFactory()
    response = act(log_in("superuser"), SESSIONS, [value.encode("utf-8", "replace").decode()])
    assert response.status_code in (200, 302, 400)
    assert not Session.objects.exclude(anonymized_in=None).exists()
