"""Test that the answers of the event streams' process are never cached."""

from __future__ import annotations

import pytest

from mluvii_gdpr.streams.application import Events
from tests.events import Browser, scenario

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.mark.parametrize(
    ("path", "status"), [("/events/livez", 200), ("/events/live/", 403), ("/events/nothing/", 404)]
)
def test_no_answer_is_stored_by_a_cache(path: str, status: int) -> None:
    async def play(app: Events) -> None:
        browser = await Browser(app, path).open()
        assert browser.status == status
        assert browser.headers["cache-control"] == "no-store"
        assert browser.headers["x-content-type-options"] == "nosniff"
        assert browser.headers["referrer-policy"] == "no-referrer"

    scenario(play)
