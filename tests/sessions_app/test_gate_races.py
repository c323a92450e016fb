"""Test the gate under concurrent submits, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from anonymization.ledger.recording import erasing
from sessions_app.models import ConsentEvent, Guest, Session
from tests.factories import WebChatFactory, make_ticket
from tests.pages import COMPLETE, entry_url
from tests.races import at_once, wait_until_blocked_by_me
from webchat.models import EntryForm, WebChat
from webchat.services import save_settings

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_parallel_submits_of_one_form_are_one_session(webchat: WebChat) -> None:
    fields = {"ticket": make_ticket(webchat), **COMPLETE}

    answers: list[Any] = at_once([partial(Client().post, entry_url(webchat), fields)] * 20)

    assert {answer.status_code for answer in answers} == {302}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert (Session.objects.count(), Guest.objects.count(), ConsentEvent.objects.count()) == (
        1,
        1,
        1,
    )


def submit(webchat: WebChat, fields: dict[str, str]) -> int:
    (answer,) = at_once([partial(Client().post, entry_url(webchat), fields)])
    assert not isinstance(answer, Exception)
    return answer.status_code


def test_submit_waits_for_a_change_of_the_form_and_is_refused() -> None:
    """The form at the time of the commit applies, so that no session starts without consent."""
    webchat = WebChatFactory(entry_form=EntryForm.STANDARD)
    fields = {"ticket": make_ticket(webchat), **COMPLETE}

    with ThreadPoolExecutor(1) as pool:
        with erasing():
            save_settings(webchat, changes={"entry_form": EntryForm.GDPR}, by=None)
            answer = pool.submit(submit, webchat, fields)
            if connection.vendor == "postgresql":
                assert wait_until_blocked_by_me(answer), "it did not wait"
        assert answer.result(timeout=60) == 409

    assert not Session.objects.exists()


def test_parallel_first_visits_of_one_person_are_one_guest(webchat: WebChat) -> None:
    forms = [{"ticket": make_ticket(webchat), **COMPLETE} for _ in range(8)]

    answers: list[Any] = at_once(
        [partial(Client().post, entry_url(webchat), fields) for fields in forms]
    )

    assert {answer.status_code for answer in answers} == {302}
    assert (Session.objects.count(), Guest.objects.count()) == (8, 1)
