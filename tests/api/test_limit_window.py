"""Test that an erasure counts toward an API client's limit for exactly one hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Model
from django.utils import timezone

from api import services
from sessions_app.models import Session
from tests.factories import ApiClientFactory, SessionFactory, WebChatFactory

pytestmark = pytest.mark.django_db


Erase = Callable[[float, Model], None]


@pytest.fixture
def erase_at(monkeypatch: pytest.MonkeyPatch) -> Erase:
    """Return a function that erases for one client, at a given second after the start."""
    client, start = ApiClientFactory(), timezone.now()

    def erase(second: float, subject: Model) -> None:
        monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=second))
        services.erase_for(client, subject)

    return erase


def sessions(count: int) -> list[Session]:
    webchat = WebChatFactory()
    return [
        SessionFactory(webchat=webchat, email=f"guest{number}@example.com")
        for number in range(count)
    ]


@pytest.mark.parametrize("kind", ["sessions_app.Guest", "sessions_app.Session"])
def test_an_erasure_counts_for_an_hour(erase_at: Erase, settings: Any, kind: str) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 9, "sessions_app.Session": 9, kind: 1}
    first, second, third = (s.guest if kind == "sessions_app.Guest" else s for s in sessions(3))
    erase_at(0, first)
    with pytest.raises(services.TooManyErasures):
        erase_at(3599, second)
    erase_at(3600, second)
    with pytest.raises(services.TooManyErasures):
        erase_at(3601, third)


def test_the_oldest_erasure_that_counts_says_when_to_go_on(erase_at: Erase, settings: Any) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 9, "sessions_app.Session": 2}
    first, second, third = sessions(3)
    erase_at(0, first)
    erase_at(1800, second)
    with pytest.raises(services.TooManyErasures) as refused:
        erase_at(2000, third)
    assert refused.value.retry_after == 1601
    erase_at(3600, third)
