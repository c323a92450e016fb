"""What scripts add to the staff pages: coming back, and buttons that say when they can't be used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_back_from_a_guest_leads_to_the_form(log_in_browser: Callable[..., Page]) -> None:
    session = make_session()
    page = log_in_browser("support")
    page.goto("/guests/find/")
    page.get_by_label("Name").fill("Nováková Jana")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="1 guest")).to_be_focused()
    assert page.url.endswith("/guests/find/")
    page.get_by_role("link", name=str(session.guest_id), exact=True).click()
    page.wait_for_url(f"**/guests/{session.guest_id}/")
    response = page.go_back()
    assert response is None or response.ok
    expect(page.get_by_role("button", name="Find")).to_be_visible()


def test_a_look_up_that_can_not_be_swapped_in_is_shown_as_a_page(
    log_in_browser: Callable[..., Page],
) -> None:
    page = log_in_browser("support")
    page.goto("/guests/find/")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_label("Name").fill("Jana")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="This form has expired")).to_be_visible()


def test_sessions_that_are_looked_at_leave_the_chosen_ones_open(log_in_browser: Callable[..., Page]) -> None:
    session = make_session()
    page = log_in_browser("support")
    page.goto("/sessions/")
    button = page.get_by_role("button", name="Anonymize chosen sessions")
    expect(button).to_be_disabled()
    page.get_by_label(f"Choose session {session.pk}").check()
    expect(button).to_be_enabled()
    button.click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name=f"{session.pk} (opens in a new tab)").click()
    opened.value.wait_for_url(f"**/sessions/{session.pk}/")
    expect(page.get_by_role("heading", name="Are these the right sessions?")).to_be_visible()
