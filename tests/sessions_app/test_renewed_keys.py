"""Test the migration that fills the words of names and renews the match keys of stored guests."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from sessions_app.models import Guest, GuestWord
from sessions_app.people import find_people
from tests.factories import (
    ErasureFactory,
    GuestFactory,
    HoldFactory,
    SessionFactory,
    WebChatFactory,
)

pytestmark = pytest.mark.django_db

MIGRATION: Any = import_module("sessions_app.migrations.0027_renew_keys")


def renew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MIGRATION, "_CHUNK", 2)
    MIGRATION.renew(apps, SimpleNamespace(connection=connection))


def test_every_guest_gets_new_keys_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    guests = [
        GuestFactory(
            name=f"Łukasz O\u2019Brien {n}",
            email=f"{n}@faß.de",
            name_key="łukasz",
            email_key=f"{n}@fass.de",
        )
        for n in "abcde"
    ]
    GuestWord.objects.all().delete()
    renew(monkeypatch)
    renew(monkeypatch)
    for guest, letter in zip(guests, "abcde", strict=True):
        guest.refresh_from_db()
        assert guest.name_key == f"lukasz obrien {letter}"
        assert guest.email_key == f"{letter}@xn--fa-hia.de"
        words = guest.words.order_by("word").values_list("word", flat=True)
        assert list(words) == sorted({letter, "brien", "lukasz", "o", "obrien"})


def test_a_number_is_read_with_its_extension_in_the_region_of_its_webchat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vienna = WebChatFactory(phone_region="AT")
    guest = SessionFactory(webchat=vienna, phone="0664 1234567").guest
    Guest.objects.update(phone="0664 1234567 App. 12", phone_key="+43664123456727712")
    renew(monkeypatch)
    guest.refresh_from_db()
    assert guest.phone_key == "+436641234567"


def test_a_number_that_is_no_longer_accepted_keeps_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = GuestFactory(phone="5", phone_key="+420603123456")
    WebChatFactory()
    renew(monkeypatch)
    assert [match.guest for match in find_people(phone="603123456").matches] == [guest]


def test_guests_who_coincide_stay_and_the_gate_takes_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    webchat = WebChatFactory()
    oldest = SessionFactory(webchat=webchat, name="Sean O'Brien").guest
    other = SessionFactory(webchat=webchat, name="Seán O\u2019Brien Jr").guest
    Guest.objects.filter(pk=other.pk).update(name="Seán O\u2019Brien")
    renew(monkeypatch)
    assert Guest.objects.filter(name_key="sean obrien").count() == 2
    assert SessionFactory(webchat=webchat, name="Sean O`Brien").guest == oldest


def test_the_anonymized_stay_as_they_are_and_the_held_are_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = SessionFactory().guest
    ErasureFactory(subject=gone)
    session = SessionFactory(name="Eva Łuk", ended=True)
    GuestWord.objects.all().delete()
    HoldFactory(subject=session, of_guest=True)
    renew(monkeypatch)
    assert not GuestWord.objects.filter(guest=gone).exists()
    words = GuestWord.objects.filter(guest=session.guest).values_list("word", flat=True)
    assert set(words) == {"eva", "luk"}
