"""Test the signs of life of the event streams, and that /readyz names a silent host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mluvii_gdpr import readiness
from mluvii_gdpr.models import EventsProcess
from mluvii_gdpr.streams import hub
from mluvii_gdpr.streams.application import Events
from tests.events import scenario

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_old_answers() -> Iterator[None]:
    readiness.warnings.forget()
    yield
    readiness.warnings.forget()


def warned(client: Client) -> bool:
    readiness.warnings.forget()
    response = client.get("/readyz")
    assert response.status_code == 200, "pages work without the streams"
    return "events" in response.json()["warnings"]


def let_pass(host: str, **passed: int) -> None:
    EventsProcess.objects.filter(host=host).update(seen_at=timezone.now() - timedelta(**passed))


def test_readyz_names_dead_streams(client: Client) -> None:
    assert warned(client), "none was ever started"
    EventsProcess.give_sign("one")
    assert not warned(client)
    let_pass("one", seconds=59)
    assert not warned(client)
    let_pass("one", seconds=61)
    assert warned(client)
    EventsProcess.give_sign("one")
    assert not warned(client)
    assert EventsProcess.objects.count() == 1


def test_one_dead_host_of_two_is_named_for_a_day(client: Client) -> None:
    EventsProcess.give_sign("one")
    EventsProcess.give_sign("other")
    let_pass("one", hours=23)
    EventsProcess.give_sign("other")
    assert warned(client)
    let_pass("one", hours=25)
    EventsProcess.give_sign("other")
    assert not warned(client)
    assert EventsProcess.objects.get().host == "other"


def test_a_host_that_stops_on_purpose_is_not_missed(client: Client) -> None:
    EventsProcess.give_sign("one")
    EventsProcess.give_sign("other")
    EventsProcess.sign_off("one")
    assert not warned(client)
    EventsProcess.sign_off("other")
    assert warned(client), "somebody must serve them"


def test_the_process_gives_signs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SIGN", 0)
    monkeypatch.setattr("socket.gethostname", lambda: "x" * 300)

    async def play(app: Events) -> None:
        await app.hub._give_sign()
        first = await hub.in_database(lambda: EventsProcess.objects.get().seen_at)
        await app.hub._give_sign()
        row = await hub.in_database(EventsProcess.objects.get)
        assert row.seen_at > first
        assert row.host == "x" * 255
        await app.hub.stop()

    scenario(play)
    assert not EventsProcess.objects.exists()


def test_an_unmigrated_database_is_called_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_table(*_args: Any) -> list[str]:
        raise AssertionError("the table may be missing")

    monkeypatch.setattr(readiness, "_find_problems", lambda: ["migrations"])
    monkeypatch.setattr(readiness, "_find_lesser_problems", no_table)
    readiness.answer.forget()
    found = client.get("/readyz").json()
    readiness.answer.forget()
    assert (found["problems"], found["warnings"]) == (["migrations"], [])
