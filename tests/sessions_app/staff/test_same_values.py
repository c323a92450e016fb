"""Test that pages name other guests who may be the same person, and choose none of them."""

from __future__ import annotations

import re

import pytest
from django.utils.html import strip_tags

from sessions_app.models import Guest
from tests.factories import (
    ErasureFactory,
    HoldFactory,
    SessionFactory,
    WebChatFactory,
)
from tests.pages import LogIn

pytestmark = pytest.mark.django_db

SAME_PHONE = {"name": "Eva Malá", "email": "eva@example.com"}


def text_of(page: str) -> str:
    return " ".join(strip_tags(page).split())


@pytest.mark.parametrize(
    "url", ["/guests/{guest}/", "/guests/{guest}/anonymize/", "/sessions/{session}/", "/sessions/{session}/anonymize/"]
)  # fmt: skip
def test_another_guest_with_the_same_phone_is_named(log_in: LogIn, url: str) -> None:
    webchat = WebChatFactory()
    session = SessionFactory(webchat=webchat)
    other = SessionFactory(webchat=webchat, **SAME_PHONE).guest
    SessionFactory(webchat=webchat, name="Petr", email="petr@example.com", phone="604 111 222")
    url = url.format(guest=session.guest_id, session=session.pk)
    page = log_in("officer").get(url).content.decode()
    assert f"1 other guest has the same phone: Guest {other.pk} They may be" in text_of(page)
    assert f'href="/guests/{other.pk}/"' in page
    assert log_in("officer").get(f"/guests/{other.pk}/").content.decode().count("same phone") == 1


def test_each_kind_of_equal_values_is_a_sentence(log_in: LogIn) -> None:
    webchat = WebChatFactory()
    guest = SessionFactory(webchat=webchat).guest
    SessionFactory(webchat=webchat, name="Jana Malá")
    SessionFactory(webchat=webchat, name="Jana Veselá")
    SessionFactory(webchat=webchat, phone="604 111 222")
    SessionFactory(webchat=webchat, **SAME_PHONE)
    page = text_of(log_in("officer").get(f"/guests/{guest.pk}/").content.decode())
    assert "2 other guests have the same e-mail and phone:" in page
    assert "1 other guest has the same e-mail:" in page
    assert "1 other guest has the same phone:" in page


def test_only_a_few_guests_are_linked(log_in: LogIn) -> None:
    webchat = WebChatFactory()
    guest = SessionFactory(webchat=webchat).guest
    for n in range(7):
        SessionFactory(webchat=webchat, name="Eva", email=f"eva{n}@example.com")
    page = log_in("officer").get(f"/guests/{guest.pk}/").content.decode()
    assert "7 other guests have the same phone:" in page
    assert len(set(re.findall(r'href="/guests/(\d+)/"', page))) == 5


def test_nothing_is_told_of_the_anonymized_or_of_guests_without_values(log_in: LogIn) -> None:
    webchat = WebChatFactory()
    guest = SessionFactory(webchat=webchat).guest
    ErasureFactory(subject=SessionFactory(webchat=webchat, **SAME_PHONE).guest)
    one, other = (Guest.objects.create(name=name) for name in ("Jan", "Petr"))
    for shown in (guest, one, other):
        page = log_in("officer").get(f"/guests/{shown.pk}/").content.decode()
        assert "other guest" not in page


@pytest.mark.parametrize(
    ("role", "told"), [("administrator", False), ("support", False), ("officer", True)]
)
def test_a_held_guest_is_named_to_those_who_may_see_it(
    log_in: LogIn, role: str, told: bool
) -> None:
    webchat = WebChatFactory()
    guest = SessionFactory(webchat=webchat).guest
    HoldFactory(subject=SessionFactory(webchat=webchat, ended=True, **SAME_PHONE), of_guest=True)
    page = log_in(role).get(f"/guests/{guest.pk}/").content.decode()
    assert ("other guest" in page) is told


def test_open_conversations_are_named_before_several_sessions_are_anonymized(log_in: LogIn) -> None:
    webchat = WebChatFactory()
    live, ended = SessionFactory(webchat=webchat), SessionFactory(webchat=webchat, ended=True)
    chosen = {"session": [live.pk, ended.pk]}
    page = text_of(log_in("officer").post("/sessions/anonymize/", chosen).content.decode())
    assert f"1 of these conversations is still open and ends immediately: {live.pk} " in page
    page = log_in("officer").post("/sessions/anonymize/", {"session": [ended.pk]}).content.decode()
    assert "still open" not in page
