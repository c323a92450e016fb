"""A withdrawal that the person tells in the conversation is recorded by staff."""

from __future__ import annotations

import pytest

from sessions_app.models import ConsentEvent, Party, Session
from tests.database import digest
from tests.factories import SessionFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db

ALLOWED = ["operator", "support", "officer"]


def url(session: Session) -> str:
    return f"/sessions/{session.pk}/withdraw/"


@pytest.mark.parametrize("role", ALLOWED)
def test_staff_record_it_as_told_in_the_conversation(log_in: LogIn, role: str) -> None:
    session = SessionFactory(language="cs")
    client = log_in(role)
    assert f'href="{url(session)}"' in client.get(f"/sessions/{session.pk}/").content.decode()
    before = digest()
    assert client.get(url(session)).status_code == 200
    assert digest() == before, "it only asks"

    assert client.post(url(session)).status_code == 302

    session.refresh_from_db()
    assert (session.status, session.ended_by) == ("closed", "operator")
    assert session.withdrawn_at is not None
    given, withdrawn = session.consent_events.all()
    assert (withdrawn.kind, withdrawn.text) == ("withdrawn", given.text)
    message = session.messages.get()
    assert (message.sender, message.author.username) == (Party.SYSTEM, role)
    assert message.text == "Souhlas byl odvolán v této konverzaci."
    page = client.get(f"/sessions/{session.pk}/").content.decode()
    assert message.text in page
    assert f'href="{url(session)}"' not in page


@pytest.mark.parametrize("role", ["administrator", "stranger"])
def test_nobody_else_records_it(log_in: LogIn, role: str) -> None:
    session = SessionFactory()

    assert log_in(role).post(url(session)).status_code == 403
    assert not ConsentEvent.objects.filter(kind="withdrawn").exists()


def test_a_webchat_may_anonymize_at_once(log_in: LogIn) -> None:
    session = SessionFactory(webchat__on_withdrawal="anonymize")

    assert log_in("operator").post(url(session)).status_code == 302

    session.refresh_from_db()
    assert session.anonymized_at is not None
    assert not session.messages.exists()


def test_without_a_consent_and_the_second_time_nothing_changes(log_in: LogIn) -> None:
    plain = SessionFactory(webchat__entry_form="standard", new_guest=True)
    withdrawn = SessionFactory(withdrawn=True)
    officer, before = log_in("officer"), digest()

    for session in (plain, withdrawn):
        assert officer.post(url(session)).status_code == 409
        page = officer.get(f"/sessions/{session.pk}/").content.decode()
        assert f'href="{url(session)}"' not in page
    assert digest() == before
