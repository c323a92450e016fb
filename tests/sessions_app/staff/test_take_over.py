"""Test that no conversation stays with an operator who no longer looks after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app import conversation
from sessions_app.models import Channel, Message, Party, Session, Status
from tests.factories import AttachmentFactory, MessageFactory, SessionFactory, StaffFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db
BUTTON = "Take over the conversation"


@pytest.fixture
def colleague() -> User:
    return StaffFactory(role="operator", username="colleague")


@pytest.fixture
def operator(log_in: LogIn) -> Client:
    return log_in("operator")


def taken(colleague: User, *, minutes_ago: int, **session: Any) -> Session:
    """Return a conversation that the colleague took that long ago."""
    session = conversation.accept_session(SessionFactory(**session), operator=colleague)
    Session.objects.filter(pk=session.pk).update(accepted_at=ago(minutes_ago))
    session.refresh_from_db()
    return session


def ago(minutes: int) -> Any:
    return timezone.now() - timedelta(minutes=minutes)


def said(session: Session, sender: Party, *, minutes_ago: int) -> None:
    author = session.operator if sender == Party.OPERATOR else None
    message = MessageFactory(session=session, sender=sender, author=author)
    Message.objects.filter(pk=message.pk).update(at=ago(minutes_ago))


def take_over(client: Client, session: Session) -> int:
    """Open the page, press its button if there is one, and return the status of the act."""
    offered = BUTTON in client.get(f"/sessions/{session.pk}/").content.decode()
    response = client.post(f"/sessions/{session.pk}/accept/")
    assert offered == (response.status_code == 302), "the page offers what the server allows"
    return response.status_code


def operator_of(session: Session) -> str:
    session.refresh_from_db()
    return session.operator.username if session.operator else ""


def test_silence_lets_a_colleague_take_over(operator: Client, colleague: User) -> None:
    session = taken(colleague, minutes_ago=6)
    waited = session.waited
    assert take_over(operator, session) == 302
    assert operator_of(session) == "operator"
    assert (session.status, session.waited) == (Status.ACTIVE, waited)
    assert operator.post(f"/sessions/{session.pk}/answer/", {"text": "Hello"}).status_code == 302


def test_one_who_answers_keeps_the_conversation(operator: Client, colleague: User) -> None:
    session = taken(colleague, minutes_ago=30)
    said(session, Party.VISITOR, minutes_ago=20)
    said(session, Party.OPERATOR, minutes_ago=10)
    assert take_over(operator, session) == 409
    said(session, Party.VISITOR, minutes_ago=4)
    assert take_over(operator, session) == 409, "the visitor has not waited for long"
    assert operator_of(session) == "colleague"


def test_a_question_without_an_answer_lets_a_colleague_take_over(
    operator: Client, colleague: User
) -> None:
    session = taken(colleague, minutes_ago=30)
    said(session, Party.OPERATOR, minutes_ago=20)
    said(session, Party.VISITOR, minutes_ago=6)
    said(session, Party.VISITOR, minutes_ago=1)
    assert take_over(operator, session) == 302


def test_a_file_is_an_answer(operator: Client, colleague: User) -> None:
    session = taken(colleague, minutes_ago=30)
    said(session, Party.VISITOR, minutes_ago=20)
    AttachmentFactory(session=session, sender=Party.OPERATOR, author=colleague)
    assert take_over(operator, session) == 409


def test_a_call_without_messages_is_no_silence(operator: Client, colleague: User) -> None:
    session = taken(colleague, minutes_ago=60, channel=Channel.AV)
    assert take_over(operator, session) == 409
    said(session, Party.VISITOR, minutes_ago=6)
    assert take_over(operator, session) == 302


def test_an_account_that_may_no_longer_answer_keeps_nothing(
    operator: Client, colleague: User
) -> None:
    session = taken(colleague, minutes_ago=0)
    assert take_over(operator, session) == 409
    colleague.groups.clear()
    assert take_over(operator, session) == 302


def test_a_deactivated_account_returns_its_open_conversations(
    operator: Client, colleague: User
) -> None:
    mine, ended = taken(colleague, minutes_ago=0), taken(colleague, minutes_ago=0)
    conversation.end_session(ended, by=Party.VISITOR)
    colleague.is_active = False
    colleague.save(update_fields=["is_active"])
    assert operator_of(mine) == ""
    assert mine.status == Status.WAITING
    assert operator_of(ended) == "colleague"


def test_an_account_that_was_deactivated_past_the_application_keeps_nothing(
    operator: Client, colleague: User
) -> None:
    session = taken(colleague, minutes_ago=0)
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    assert take_over(operator, session) == 302


def test_the_second_of_two_colleagues_is_refused(operator: Client, colleague: User) -> None:
    session = taken(colleague, minutes_ago=6)
    third = StaffFactory(role="operator", username="third")
    stale = Session.objects.get(pk=session.pk)
    conversation.accept_session(session, operator=third)
    with pytest.raises(conversation.AlreadyAccepted):
        conversation.accept_session(stale, operator=User.objects.get(username="operator"))
    assert operator_of(session) == "third"
