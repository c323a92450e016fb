"""Test that Guest IDs are random: they reveal no order of guests and no first session."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from demo.build import Builder
from sessions_app.models import Guest, Session
from sessions_app.people import find_people
from tests.factories import GuestFactory, WebChatFactory, make_ticket
from tests.pages import COMPLETE, entry_url, submit
from tests.races import at_once
from webchat.models import WebChat

TEN_DIGITS = range(1_000_000_000, 10_000_000_000)


def draw(monkeypatch: pytest.MonkeyPatch, *ids: int) -> Iterator[int]:
    """Set the next random Guest IDs. Return the list, from which used ids are removed."""
    left = iter(ids)
    monkeypatch.setattr(secrets, "randbelow", lambda _limit: next(left) - TEN_DIGITS.start)
    return left


@pytest.mark.django_db
def test_ids_of_new_guests_have_ten_digits_and_no_order(client: Client, webchat: WebChat) -> None:
    for number in range(12):
        assert submit(client, webchat, name=f"Visitor {number}").status_code == 302

    ids = list(Session.objects.order_by("pk").values_list("guest", flat=True))
    assert len(set(ids)) == 12
    assert all(pk in TEN_DIGITS for pk in ids)
    # Twelve random numbers are in order by chance once in half a billion runs.
    assert ids not in (sorted(ids), sorted(ids, reverse=True))


@pytest.mark.django_db
def test_guests_in_bulk_and_of_the_demo_have_such_ids_too() -> None:
    Guest.objects.bulk_create(Guest(name=f"Guest {number}") for number in range(3))
    Builder(sessions=12).build()

    assert all(pk in TEN_DIGITS for pk in Guest.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_the_demo_draws_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = GuestFactory().pk
    draw(monkeypatch, taken, *[TEN_DIGITS[5]] * 2, *TEN_DIGITS[6:60])

    Builder(sessions=12).build()

    assert {taken, TEN_DIGITS[5], TEN_DIGITS[6]} <= set(Guest.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_an_id_that_is_taken_is_drawn_again(
    client: Client, webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = GuestFactory().pk
    left = draw(monkeypatch, taken, taken, 4_000_000_000, 5_000_000_000)

    assert submit(client, webchat).status_code == 302

    assert Session.objects.get().guest_id == 4_000_000_000
    assert list(left) == [5_000_000_000]


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_draw_the_same_id_lose_no_submit(
    webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(monkeypatch, 4_000_000_000, 4_000_000_000, 5_000_000_000)
    forms = [
        {"ticket": make_ticket(webchat), **COMPLETE, "name": name} for name in ("Jana", "Petr")
    ]

    answers: list[Any] = at_once([partial(Client().post, entry_url(webchat), f) for f in forms])

    assert {answer.status_code for answer in answers} == {302}
    assert set(Session.objects.values_list("guest", flat=True)) == {4_000_000_000, 5_000_000_000}


@pytest.mark.django_db
def test_the_newest_guests_are_found_first() -> None:
    now = timezone.now()
    ages = [3, 1, 2]
    for pk, days in zip((5_000_000_000, 4_000_000_000, 6_000_000_000), ages, strict=True):
        GuestFactory(pk=pk, name="Jana Nováková", created_at=now - timedelta(days=days))

    found = [match.guest.pk for match in find_people(name="Jana Nováková").matches]

    assert found == [4_000_000_000, 6_000_000_000, 5_000_000_000]


@pytest.mark.django_db
def test_of_equal_guests_the_oldest_gets_the_session(client: Client) -> None:
    webchat = WebChatFactory(phone_region="CZ")
    now = timezone.now()
    for pk, days in ((5_000_000_000, 3), (4_000_000_000, 1)):
        person = {name: COMPLETE[name] for name in ("name", "email", "phone")}
        GuestFactory(pk=pk, **person, created_at=now - timedelta(days=days))

    assert submit(client, webchat).status_code == 302

    assert Session.objects.get().guest_id == 5_000_000_000
