"""A staff page that its reader may no longer see stops asking the server, and says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.factories import SessionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOTICE = "This page is no longer updated, because you no longer have permission to see it."


@pytest.mark.parametrize("path", ["/sessions/live/", "/sessions/{}/"])
def test_a_page_without_a_stream_stops_polling_when_the_role_is_taken(
    log_in_browser: Callable[..., Page], path: str
) -> None:
    page = log_in_browser("operator")
    page.clock.install()
    page.goto(path.format(SessionFactory().pk))
    with page.expect_response(lambda response: response.request.resource_type == "xhr"):
        page.clock.run_for(5_000)
    expect(page.get_by_text(NOTICE)).to_be_hidden()
    User.objects.get(username="operator").groups.clear()
    page.clock.run_for(5_000)
    expect(page.get_by_text(NOTICE)).to_be_visible()
    expect(page.get_by_text("Connection lost")).to_be_hidden()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.clock.run_for(300_000)
    page.request.get("/livez")
    assert requests == []
