"""An erasure counts against an API client's limit for exactly one hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from api import services
from tests.factories import make_session, make_webchat

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["sessions_app.Guest", "sessions_app.Session"])
def test_an_erasure_counts_for_an_hour(
    make_api_client: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 9, "sessions_app.Session": 9, kind: 1}
    (client, _secret), webchat, start = make_api_client(), make_webchat(), timezone.now()
    sessions = [make_session(webchat, email=f"guest{number}@example.com") for number in range(3)]
    first, second, third = (s.guest if kind == "sessions_app.Guest" else s for s in sessions)

    def erase_at(second: float, subject: Any) -> None:
        monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=second))
        services.erase_for(client, subject)

    erase_at(0, first)
    with pytest.raises(services.TooManyErasures) as refused:
        erase_at(3599, second)
    assert refused.value.retry_after == 2
    erase_at(3600, second)
    with pytest.raises(services.TooManyErasures) as refused:
        erase_at(3601, third)
    assert refused.value.retry_after == 3600
