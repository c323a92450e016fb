"""Test withdrawals that run at the same time as other withdrawals, messages and erasures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from sessions_app import consent, conversation, lock
from sessions_app.models import ConsentEvent, Message, Party, Session
from tests.database import dump
from tests.factories import SessionFactory, WebChatFactory
from tests.pages import submit
from tests.races import at_once, wait_until_blocked_by_me
from tests.sessions_app.test_my_consent import consent_url
from webchat.models import OnWithdrawal

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_withdrawals_at_once_are_one() -> None:
    url = consent_url(submit(Client(), WebChatFactory()).headers["Location"])
    answers: list[Any] = at_once([partial(Client().post, f"{url}withdraw/")] * 8)
    assert [answer.status_code for answer in answers] == [200] * 8
    told = [b"You have withdrawn your consent" in answer.content for answer in answers]
    assert sum(told) == 1, "the others read that it was done before"
    assert ConsentEvent.objects.filter(kind="withdrawn").count() == 1


def test_the_second_waits_for_the_first_and_reads_what_it_did() -> None:
    url = consent_url(submit(Client(), WebChatFactory()).headers["Location"])

    def withdraw() -> Any:
        (answer,) = at_once([partial(Client().post, f"{url}withdraw/")])
        return answer

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            consent.record_withdrawal(Session.objects.get())
            answer = pool.submit(withdraw)
            if connection.vendor == "postgresql":
                assert wait_until_blocked_by_me(answer), "it did not wait"
        second = answer.result(timeout=60)

    assert second.status_code == 200
    assert b"You have already withdrawn your consent" in second.content
    assert ConsentEvent.objects.filter(kind="withdrawn").count() == 1


@pytest.mark.parametrize("at_its_end", list(OnWithdrawal))
def test_withdrawal_message_and_erasure_at_once(at_its_end: OnWithdrawal) -> None:
    webchat = WebChatFactory(on_withdrawal=at_its_end)
    for _number in range(3):
        session = SessionFactory(webchat=webchat, new_guest=True)
        results: list[Any] = at_once(
            [
                partial(consent.withdraw_consent, session),
                partial(
                    conversation.post_message, session, sender=Party.VISITOR, text="Kassiopeia"
                ),
                partial(engine.erase, session, requester=recording.Requester(Source.PAGE)),
                partial(consent.withdraw_consent, session),
            ]
        )
        assert not isinstance(results[2], Exception)
        for result in (results[0], results[1], results[3]):
            assert not isinstance(result, Exception) or isinstance(result, lock.SessionClosed), (
                result
            )
        assert session.consent_events.filter(kind="withdrawn").count() <= 1
    assert Erasure.objects.count() == 3
    assert not Message.objects.exists()
    assert "Kassiopeia" not in dump()
    assert not Session.objects.withdrawn().exists()
