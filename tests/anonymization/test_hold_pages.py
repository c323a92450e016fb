"""Test the pages of legal holds, and what pages, API and visitor pages say about a hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from anonymization.models import DueErasure, Erasure, Hold
from sessions_app.models import Guest, Session
from sessions_app.ticket import consent_token
from tests.api.conftest import Caller, token_for
from tests.database import digest
from tests.factories import ApiClientFactory, HoldFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn, compact, submit
from webchat.models import OnWithdrawal

pytestmark = pytest.mark.django_db

NUMBER = "12 C 34/2026"


def in_days(days: int) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


def fields(**changes: str) -> dict[str, str]:
    return {"ground": "17-3-e", "case_number": NUMBER, "review_on": in_days(30), **changes}


def shown_in(page: Any) -> dict[str, str]:
    """Return the fields of a confirm page: the shown rows and the ground."""
    shown = {f"shown-{label}": value for label, value in page.context["shown"]}
    return {"ground": "request", **shown}


# Setting ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sessions", "guests"])
def test_an_officer_sets_a_hold_on_the_page_of_the_row(kind: str, log_in: LogIn) -> None:
    session, officer = SessionFactory(), log_in("officer")
    url = f"/{kind}/{session.pk if kind == 'sessions' else session.guest_id}/"
    assert f'href="{url}hold/"' in compact(officer.get(url))
    assert officer.get(f"{url}hold/").status_code == 200
    response = officer.post(f"{url}hold/", fields())
    assert (response.status_code, response.headers["Location"]) == (302, url)
    hold = Hold.objects.get()
    assert (hold.set_by and hold.set_by.username, hold.case_number) == ("officer", NUMBER)
    page = officer.get(url).content.decode()
    assert NUMBER in page
    assert "Legal claims of the controller (Art. 17(3)(e))" in page
    others = log_in("support").get(url).content.decode()
    assert "A legal hold rests on this data." in others
    assert NUMBER not in others
    assert "Art. 17(3)(e)" not in others
    assert "/hold/" not in others


@pytest.mark.parametrize(
    "wrong",
    [
        {"ground": ""},
        {"ground": "18-1-e"},
        {"case_number": ""},
        {"case_number": "Jana Nováková"},
        {"review_on": ""},
        {"review_on": "0"},
        {"review_on": "400"},
        {"review_on": "soon"},
    ],
    ids=str,
)
def test_a_wrong_form_is_shown_again(wrong: dict[str, str], log_in: LogIn) -> None:
    session = SessionFactory()
    given = {
        k: in_days(int(v)) if k == "review_on" and v.isdecimal() else v for k, v in wrong.items()
    }
    response = log_in("officer").post(f"/sessions/{session.pk}/hold/", fields(**given))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == wrong.keys()
    assert not Hold.objects.exists()


def test_an_anonymized_row_cannot_be_held(log_in: LogIn) -> None:
    session, officer = SessionFactory(anonymized=True), log_in("officer")
    assert "/hold/" not in officer.get(f"/sessions/{session.pk}/").content.decode()
    for response in (
        officer.get(f"/sessions/{session.pk}/hold/"),
        officer.post(f"/sessions/{session.pk}/hold/", fields()),
    ):
        assert response.status_code == 409
        assert "There is nothing to hold." in response.content.decode()
    assert officer.get("/sessions/999999/hold/").status_code == 404


# The list, the review and the release -------------------------------------------------------------------


def test_the_list_shows_the_next_review_first_and_marks_overdue_ones(log_in: LogIn) -> None:
    officer = log_in("officer")
    assert "No legal holds" in officer.get("/holds/").content.decode()
    later = HoldFactory(of_guest=True)
    overdue = HoldFactory(subject=SessionFactory(new_guest=True), overdue=True)
    HoldFactory(subject=SessionFactory(new_guest=True), released=True)
    page = officer.get("/holds/")
    assert [hold for hold, _title, _due in page.context["rows"]] == [overdue, later]
    text = compact(page)
    assert text.count("overdue") == 1
    assert f"Guest {Guest.objects.get(uid=later.subject).pk}" in text
    menu = officer.get("/").content.decode()
    assert "Legal holds" in menu
    assert "Legal holds" not in log_in("support").get("/").content.decode()


def test_the_list_costs_no_query_for_each_hold(
    log_in: LogIn, django_assert_max_num_queries: Any
) -> None:
    officer = log_in("officer")
    for _number in range(5):
        HoldFactory(subject=SessionFactory(new_guest=True))
    with django_assert_max_num_queries(10):
        officer.get("/holds/")


def test_a_review_keeps_the_hold(log_in: LogIn) -> None:
    officer, hold = log_in("officer"), HoldFactory(overdue=True)
    assert officer.post(f"/holds/{hold.pk}/", {"review_on": in_days(400)}).status_code == 422
    assert officer.post(f"/holds/{hold.pk}/", {"review_on": in_days(60)}).status_code == 302
    hold.refresh_from_db()
    assert hold.review_on.isoformat() == in_days(60)
    assert hold.reviewed_by
    assert hold.reviewed_by.username == "officer"


def test_a_release_needs_a_confirmation_and_happens_once(log_in: LogIn) -> None:
    officer, hold = log_in("officer"), HoldFactory()
    url = f"/holds/{hold.pk}/release/"
    before = digest()
    assert "The data can be anonymized again" in officer.get(url).content.decode()
    assert {k: v for k, v in digest().items() if k != "django_session"} == {
        k: v for k, v in before.items() if k != "django_session"
    }
    response = officer.post(url, follow=True)
    assert "The hold was released." in response.content.decode()
    hold.refresh_from_db()
    assert (hold.case_number, hold.released_by and hold.released_by.username) == ("", "officer")
    for again in (officer.get(url), officer.post(url), officer.get(f"/holds/{hold.pk}/")):
        assert again.status_code == 409
    assert officer.post(f"/holds/{hold.pk}/", {"review_on": in_days(60)}).status_code == 409
    assert officer.get("/holds/999999/").status_code == 404


# Erasing ------------------------------------------------------------------------------------------------


def test_a_held_session_cannot_be_anonymized_on_a_page(log_in: LogIn) -> None:
    session, support = SessionFactory(), log_in("support")
    shown = shown_in(support.get(f"/sessions/{session.pk}/anonymize/"))
    HoldFactory(subject=session)
    page = support.get(f"/sessions/{session.pk}/anonymize/")
    assert "Ask the data protection officer." in page.content.decode()
    assert "btn-danger" not in page.content.decode()
    for url in (f"/sessions/{session.pk}/anonymize/", f"/guests/{session.guest_id}/anonymize/"):
        response = support.post(url, shown)
        assert response.status_code == 409
        assert "A legal hold rests on this data" in response.content.decode()
    response = support.post("/sessions/anonymize/", {"session": [session.pk], "confirm": "yes"})
    assert response.status_code == 409
    assert f"A legal hold rests on these sessions: {session.pk}." in response.content.decode()
    assert not Erasure.objects.exists()


def test_the_pages_say_which_part_of_a_guest_is_done_and_which_waits(log_in: LogIn) -> None:
    held, free = SessionFactory.create_batch(2)
    hold, support, officer = HoldFactory(subject=held), log_in("support"), log_in("officer")
    url = f"/guests/{held.guest_id}/anonymize/"
    page = support.get(url)
    assert "A legal hold rests on 1 session." in page.content.decode()
    response = support.post(url, shown_in(page), follow=True)
    said = response.content.decode()
    assert "Only a part was anonymized: record 1 (" in said
    assert "was anonymized: record 1" not in said.replace("a part was anonymized", "")
    assert "A legal hold rests on the remaining sessions." in said
    assert Session.objects.get(anonymized_in=None) == held
    assert support.post(url, shown_in(support.get(url))).status_code == 409
    assert "erasure is waiting" in officer.get("/holds/").content.decode()
    release = f"/holds/{hold.pk}/release/"
    assert "is carried out immediately" in officer.get(release).content.decode()
    done = officer.post(release, follow=True).content.decode()
    assert "The erasure that had waited for it was carried out." in done
    assert Guest.objects.get().anonymized_in
    assert Session.objects.get(pk=free.pk).anonymized_in


def test_a_release_says_that_another_hold_remains(log_in: LogIn) -> None:
    session, officer = SessionFactory(), log_in("officer")
    first = HoldFactory(subject=session)
    HoldFactory(subject=session, of_guest=True)
    assert "1 other hold still rests" in officer.get(f"/holds/{first.pk}/release/").content.decode()


# The API ------------------------------------------------------------------------------------------------


@pytest.fixture
def caller() -> Caller:
    return Caller(token_for(ApiClientFactory()))


def test_the_api_answers_409_for_what_is_held(caller: Caller) -> None:
    session = SessionFactory()
    HoldFactory(subject=session, of_guest=True)
    for path in (f"Sessions/{session.pk}", f"Guest/{session.guest_id}"):
        response = caller.post(f"/api/v1/{path}/anonymous", headers={"Idempotency-Key": "a"})
        assert response.status_code == 409
        assert response.json() == {
            "detail": "A legal hold rests on this data, so it can't be anonymized. Nothing was changed."
        }
        would = caller.post(f"/api/v1/{path}/anonymous?dry_run=true")
        assert would.json() == {"dryRun": True, "counts": {}}
    assert not Erasure.objects.exists()
    assert not DueErasure.objects.exists()


def test_the_api_says_which_part_of_a_guest_is_done(caller: Caller) -> None:
    held, _free = SessionFactory.create_batch(2)
    hold = HoldFactory(subject=held)
    path = f"/api/v1/Guest/{held.guest_id}/anonymous"
    response = caller.post(path)
    assert response.status_code == 409
    assert "The other sessions were anonymized." in response.json()["detail"]
    assert Session.objects.get(anonymized_in=None) == held
    assert "Nothing was changed." in caller.post(path).json()["detail"]
    from anonymization import holds
    from anonymization.models import Source

    holds.release_hold(hold, source=Source.COMMAND)
    assert caller.post(path).status_code == 204


# A withdrawal -------------------------------------------------------------------------------------------


def test_a_withdrawal_waits_and_the_visitor_is_told(client: Any, log_in: LogIn) -> None:
    webchat = WebChatFactory(on_withdrawal=OnWithdrawal.ANONYMIZE)
    room = submit(client, webchat).headers["Location"]
    session = Session.objects.get()
    hold = HoldFactory(subject=session)
    url = f"/c/{consent_token(room.split('/')[2])}/withdraw/"
    for response in (client.post(url), client.post(url), client.get(url)):
        assert response.status_code == 200
        said = " ".join(response.content.decode().split())
        assert "a legal hold requires us to keep it for now" in said
        assert "It will be deleted as soon as the hold ends." in said
    session.refresh_from_db()
    assert session.withdrawn_at
    assert [event.kind for event in session.consent_events.all()] == ["given", "withdrawn"]
    page = log_in("support").get("/withdrawals/")
    assert "legal hold" in page.content.decode()
    assert f"/sessions/{session.pk}/anonymize/" not in page.content.decode()
    log_in("officer").post(f"/holds/{hold.pk}/release/")
    record = Erasure.objects.get(kind="sessions_app.Session")
    assert (record.door, record.requester, record.ground) == ("withdrawal", "person", "withdrawal")
    assert client.get(url).status_code == 404
