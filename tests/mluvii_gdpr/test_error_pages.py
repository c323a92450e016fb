"""Test that error pages explain the error and link to another page, for browsers only."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import PASSWORD, StaffFactory
from tests.pages import LogIn, compact

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
BRAND = "<span>mluvii <b>GDPR</b></span>"


@pytest.mark.parametrize(
    "path", ["/sessions/anonymize/", "/sessions/columns/", "/sessions/1/accept/"]
)
def test_a_browser_gets_a_page_where_only_a_form_is_taken(log_in: LogIn, path: str) -> None:
    from tests.factories import SessionFactory

    path = path.replace("1", str(SessionFactory().pk))
    response = log_in("superuser").get(path, headers=BROWSER)
    html = response.content.decode()
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert "This address can't be opened directly" in html
    assert "Home</a>" in compact(response)
    assert BRAND in html


@pytest.mark.parametrize("accepted", ["", "*/*", "application/json"])
def test_a_program_gets_the_bare_answer(log_in: LogIn, accepted: str) -> None:
    response = log_in("superuser").get("/sessions/columns/", headers={"Accept": accepted})
    assert (response.status_code, response.headers["Allow"], response.content) == (405, "POST", b"")


def test_staff_without_the_right_learn_what_they_lack_and_go_home(log_in: LogIn) -> None:
    response = log_in("stranger").get("/sessions/")
    html = response.content.decode()
    assert response.status_code == 403
    assert "Your account does not have permission for this." in html
    assert "expired" not in html
    assert "Home</a>" in compact(response)
    assert BRAND in html


def test_who_is_not_logged_in_is_not_led_home(log_in: LogIn) -> None:
    strangers, staff = (compact(log_in(role).get("/no-such-page/")) for role in ("", "support"))
    assert "Go to the home page</a>" in strangers
    assert "Home</a>" not in strangers
    assert "Home</a>" in staff


def test_an_expired_form_offers_to_log_in_again() -> None:
    StaffFactory(role="support")
    client = Client(enforce_csrf_checks=True)
    anonymous = client.post("/accounts/login/", {"login": "support"})
    assert anonymous.status_code == 403
    assert '<a class="btn btn-primary" href="/accounts/login/">Log in again</a>' in compact(
        anonymous
    )
    assert "permission" not in anonymous.content.decode()

    client.handler.enforce_csrf_checks = False
    client.post("/accounts/login/", {"login": "support", "password": PASSWORD})
    client.handler.enforce_csrf_checks = True
    logged_in = client.post("/guests/find/", {"name": "Jana"})
    logged_in = compact(logged_in)
    assert "Go back, reload the page and send the form again." in logged_in
    assert "Log in again" not in logged_in
    assert "Home</a>" in logged_in
