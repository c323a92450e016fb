"""Test that factories return the same values each time, and rows created by the product."""

from __future__ import annotations

import pytest

from sessions_app.models import Guest, Session
from tests.factories import SessionFactory, StaffFactory, WebChatFactory, reset_factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_invented_values_are_the_same_in_every_test() -> None:
    invented = []
    for _ in range(2):
        reset_factories()
        made = SessionFactory.create_batch(3, new_guest=True)
        invented.append(
            [
                (session.entered_name, session.entered_email, session.webchat.name)
                for session in made
            ]
        )
    assert len(set(invented[0])) == 3
    assert invented[0] == invented[1]


def test_one_person_is_one_guest_and_new_guests_are_others() -> None:
    SessionFactory.create_batch(2)
    assert Guest.objects.count() == 1
    SessionFactory.create_batch(2, new_guest=True)
    assert Guest.objects.count() == 3


def test_a_session_has_passed_the_gate_and_is_returned_as_it_is_stored() -> None:
    session = SessionFactory(
        showroom=True, operator=StaffFactory(), messages=["Hello"], ended=True, days_ago=3
    )
    assert session.consent_events.get().text.version.webchat == session.webchat
    stored = Session.objects.get()
    for name in ("channel", "status", "operator", "messages_visitor", "created_at", "ended_at"):
        assert getattr(session, name) == getattr(stored, name), name
    assert (session.channel, session.status, session.messages_visitor) == ("av", "closed", 1)


def test_each_wording_is_a_version() -> None:
    webchat = WebChatFactory(published=["One", "Two"])
    bodies = [
        version.texts.get(language="en").body
        for version in webchat.consent_versions.order_by("number")
    ]
    assert bodies == ["<p>One (en)</p>", "<p>Two (en)</p>"]
