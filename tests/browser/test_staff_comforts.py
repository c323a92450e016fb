"""Test the scripts of the staff pages: returning to a form, and disabled buttons."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.factories import ErasureFactory, SessionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_back_from_a_guest_leads_to_the_form(log_in_browser: Callable[..., Page]) -> None:
    session = SessionFactory()
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


def test_sessions_that_are_looked_at_leave_the_chosen_ones_open(
    log_in_browser: Callable[..., Page],
) -> None:
    session = SessionFactory()
    page = log_in_browser("support")
    page.goto("/sessions/")
    button = page.get_by_role("button", name="Anonymize selected")
    expect(button).to_be_disabled()
    page.get_by_label(f"Select session {session.pk}").check()
    expect(button).to_be_enabled()
    button.click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name=f"{session.pk} (opens in a new tab)").click()
    opened.value.wait_for_url(f"**/sessions/{session.pk}/")
    expect(page.get_by_role("heading", name="Are these the right sessions?")).to_be_visible()


def test_the_filters_open_below_their_row(log_in_browser: Callable[..., Page]) -> None:
    session = SessionFactory()
    page = log_in_browser("officer")
    page.goto(
        f"/sessions/?webchat={session.webchat_id}&channel=chat&status=waiting&since=2026-01-01&anonymized=no"
        f"&guest={session.guest_id}&version=1"
    )
    row = page.locator(".filter-bar").bounding_box()["y"]
    page.locator(".filters > summary").click()
    for part in (".filters > summary", ".filter-bar .chip >> nth=0", ".column-chooser > summary"):
        assert page.locator(part).bounding_box()["y"] - row < 16, part
    form = page.locator(".filter-form").bounding_box()
    chip = page.locator(".filter-bar .chip").last.bounding_box()
    assert form["y"] >= chip["y"] + chip["height"]
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".chip")).to_have_count(0)
    assert page.url.endswith("/sessions/")


def test_no_table_is_cut_off_on_a_phone(log_in_browser: Callable[..., Page]) -> None:
    session = SessionFactory(
        name="Maximiliana Novotná-Procházková", email="maximiliana@mail.example.com"
    )
    ErasureFactory(subject__new_guest=True)
    page = log_in_browser("superuser", viewport=PHONE)
    for path in (
        "/",
        "/sessions/",
        "/erasures/",
        "/settings/webchat/",
        f"/guests/{session.guest_id}/",
    ):
        page.goto(path)
        assert_nothing_is_cut(page)
    page.goto("/guests/find/")
    page.get_by_label("E-mail").fill("maximiliana@mail.example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="1 guest").wait_for()
    assert_nothing_is_cut(page)
    page.goto("/sessions/")
    page.get_by_label(f"Select session {session.pk}").check()
    page.get_by_role("button", name="Anonymize selected").click()
    page.get_by_role("heading", name="Are these the right sessions?").wait_for()
    assert_nothing_is_cut(page)


def assert_nothing_is_cut(page: Page) -> None:
    hidden = "tables => tables.map(table => table.scrollWidth - table.clientWidth)"
    assert set(page.locator(".table-responsive").evaluate_all(hidden)) == {0}, page.url
