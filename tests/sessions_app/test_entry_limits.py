"""Test the limits on how many conversations begin within a minute."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from sessions_app import limits
from sessions_app.models import LimitCounter, Session
from tests.factories import ConsentVersionFactory
from tests.pages import COMPLETE, entry_url, submit, ticket_in
from tests.races import at_once
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

VISITOR, OTHER = "203.0.113.7", "203.0.113.8"
NOON = datetime(2026, 11, 30, 12, 0, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the limits, so that no window ends during a test."""
    monkeypatch.setattr(limits, "timezone", Clock(NOON))


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def visitor(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def statuses(webchat: WebChat, *addresses: str, **changes: Any) -> list[int]:
    return [submit(visitor(one), webchat, **changes).status_code for one in addresses]


def test_an_address_opens_a_limited_number(settings: Any, webchat: WebChat) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = 2
    assert statuses(webchat, VISITOR, VISITOR, VISITOR, OTHER) == [302, 302, 429, 302]
    assert Session.objects.count() == 3


def test_all_addresses_open_a_limited_number(settings: Any, webchat: WebChat) -> None:
    settings.ENTRIES_PER_MINUTE = 2
    assert statuses(webchat, VISITOR, OTHER, "203.0.113.9") == [302, 302, 429]


def test_one_address_does_not_use_up_the_total(settings: Any, webchat: WebChat) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS, settings.ENTRIES_PER_MINUTE = 1, 2
    assert statuses(webchat, VISITOR, VISITOR, VISITOR, OTHER) == [302, 429, 429, 302]


def test_zero_is_no_limit(settings: Any, webchat: WebChat) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = settings.ENTRIES_PER_MINUTE = 0
    assert statuses(webchat, *[VISITOR] * 5) == [302] * 5
    assert not LimitCounter.objects.exists()


def test_an_incomplete_form_is_not_counted(settings: Any, webchat: WebChat) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = 1
    assert statuses(webchat, VISITOR, VISITOR, name="") == [422, 422]
    assert statuses(webchat, VISITOR) == [302]


@pytest.mark.parametrize("showroom", [False, True])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Too many conversations"),
        ("cs", "Právě bylo zahájeno příliš mnoho"),
        ("de", "Gerade wurden zu viele"),
        ("sk", "Práve sa začalo príliš veľa"),
    ],
)
def test_the_page_says_when_and_keeps_what_was_typed(
    settings: Any, webchat: WebChat, showroom: bool, language: str, said: str
) -> None:
    settings.ENTRIES_PER_MINUTE = 1
    webchat.languages = ["en", "cs", "de", "sk"]
    webchat.save(update_fields=["languages"])
    ConsentVersionFactory(webchat=webchat)
    statuses(webchat, VISITOR)
    url = entry_url(webchat, showroom=showroom)
    fields = {**COMPLETE, "language": language, "landing_page": "https://shop.example.com/a"}
    client = visitor(OTHER)
    fields["ticket"] = ticket_in(client.get(url, {"lang": language}))
    answer = client.post(url, fields)
    html = answer.content.decode()
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "40"
    assert said in html
    assert all(f'value="{value}"' in html for name, value in COMPLETE.items() if name != "consent")
    assert 'value="https://shop.example.com/a"' in html
    box = re.search(r'<input[^>]*name="consent"[^>]*>', html)
    assert box
    assert "checked" not in box[0]


def test_a_window_ends(settings: Any, webchat: WebChat, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = 1
    assert statuses(webchat, VISITOR, VISITOR) == [302, 429]
    monkeypatch.setattr(limits, "timezone", Clock(NOON.replace(minute=1, second=0)))
    assert statuses(webchat, VISITOR, VISITOR) == [302, 429]


def test_counters_identify_nobody_and_do_not_stay(
    settings: Any, webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS, settings.ENTRIES_PER_MINUTE = 60, 600
    keys = []
    for minute in range(2):
        monkeypatch.setattr(limits, "timezone", Clock(NOON.replace(minute=minute)))
        statuses(webchat, VISITOR)
        keys.append(set(LimitCounter.objects.values_list("key", flat=True)))
    assert [len(found) for found in keys] == [2, 2], "the counters of the first minute are deleted"
    assert not keys[0] & keys[1]
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys[0] | keys[1])


def test_cron_deletes_the_last_counters() -> None:
    limits.Limit("x", 1).count(VISITOR)
    limits.Limit("x", 1, limits.DAY).count(VISITOR)
    LimitCounter.objects.filter(ends_at__lt=NOON.replace(minute=2)).update(ends_at=NOON)
    LimitCounter.objects.exclude(ends_at=NOON).update(ends_at="2100-01-01T00:00:00Z")
    call_command("delete_old_signals", verbosity=0)
    assert [counter.ends_at.year for counter in LimitCounter.objects.all()] == [2100]


def test_another_secret_key_gives_another_digest(settings: Any) -> None:
    keys = set()
    for secret in ("a" * 50, "b" * 50):
        settings.SECRET_KEY = secret
        limits.Limit("x", 1).count(VISITOR)
    keys = set(LimitCounter.objects.values_list("key", flat=True))
    assert len(keys) == 2


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_pass_a_limit() -> None:
    limit = limits.Limit("x", 5)
    results = at_once([lambda: limit.count(VISITOR)] * 12)
    assert results.count(None) == 5
    assert sum(isinstance(result, limits.TooOften) for result in results) == 7


@pytest.mark.django_db(transaction=True)
def test_a_refused_gate_does_not_undo_the_count(settings: Any, webchat: WebChat) -> None:
    """The count is committed before the gate's transaction, which may be rolled back."""
    settings.ENTRIES_PER_MINUTE_PER_ADDRESS = 1
    url = entry_url(webchat)
    ticket = ticket_in(visitor(VISITOR).get(url))
    webchat.entry_form = "none"
    webchat.save(update_fields=["entry_form"])
    first, second = (visitor(VISITOR).post(url, {"ticket": ticket}) for _ in range(2))
    assert (first.status_code, second.status_code) == (409, 429)


@pytest.mark.postgresql
def test_the_table_is_unlogged() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no unlogged tables")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relpersistence FROM pg_class WHERE relname = 'sessions_app_limitcounter'"
        )
        assert cursor.fetchone() == ("u",)
