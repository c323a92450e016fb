"""A receipt is found in the ledger after every kind of erasure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from anonymization import engine, holds
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from sessions_app import consent, conversation
from sessions_app.models import Guest, Party, Session
from tests.factories import ApiClientFactory, HoldFactory
from tests.pages import consent_url, submit
from webchat.models import OnWithdrawal, WebChat

pytestmark = pytest.mark.django_db


@pytest.fixture
def receipts(webchat: WebChat) -> list[str]:
    """Return ``pii_principal_id`` of three receipts of one guest."""
    return [_receipt(webchat) for _session in range(3)]


def _receipt(webchat: WebChat) -> str:
    mine = consent_url(submit(Client(), webchat).headers["Location"])
    receipt = json.loads(Client().get(f"{mine}receipt.json").content)
    principal: str = receipt["record"]["pii_principal_id"]
    assert {event["entity_id"] for event in receipt["event"]} == {principal}
    return principal


def confirm(client: Client, url: str, **chosen: Any) -> None:
    """Open the page that confirms an erasure, and confirm what it shows."""
    page = client.post(url, chosen) if chosen else client.get(url)
    shown = {f"shown-{label}": rows for label, rows in page.context["shown"]}
    assert client.post(url, {**chosen, **shown, "confirm": "yes"}).status_code == 302


def sessions_by_page(client: Client, keys: list[int]) -> None:
    for key in keys:
        confirm(client, f"/sessions/{key}/anonymize/")


def guest_by_page(client: Client, keys: list[int]) -> None:
    confirm(client, f"/guests/{Guest.objects.get().pk}/anonymize/")


def several_by_page(client: Client, keys: list[int]) -> None:
    confirm(client, "/sessions/anonymize/", session=keys)


def by_withdrawal(client: Client, keys: list[int]) -> None:
    WebChat.objects.update(on_withdrawal=OnWithdrawal.ANONYMIZE)
    for session in Session.objects.select_related("webchat"):
        consent.withdraw_consent(session)


def by_retention(client: Client, keys: list[int]) -> None:
    WebChat.objects.update(retention_days=1)
    for session in Session.objects.all():
        conversation.end_session(session, by=Party.VISITOR)
    Session.objects.update(ended_at=timezone.now() - timedelta(days=9))
    call_command("anonymize_expired")


def sessions_by_command(client: Client, keys: list[int]) -> None:
    for key in keys:
        call_command("anonymize_session", str(key))


def guest_by_command(client: Client, keys: list[int]) -> None:
    call_command("anonymize_guest", str(Guest.objects.get().pk))


def by_api(client: Client, keys: list[int], *, guest: bool) -> None:
    program = ApiClientFactory()
    body = {
        "grant_type": "client_credentials",
        "client_id": program.client_id,
        "client_secret": program.secret,
    }
    token = Client().post("/login/connect/token", body).json()["access_token"]
    caller = Client(headers={"Authorization": f"Bearer {token}"})
    paths = [f"Guest/{Guest.objects.get().pk}"] if guest else [f"Sessions/{key}" for key in keys]
    for path in paths:
        assert caller.generic("POST", f"/api/v1/{path}/anonymize").status_code == 204


def by_release_of_a_hold(client: Client, keys: list[int], *, of_guest: bool) -> None:
    """Anonymize the guest around a hold, then release the hold."""
    held = Session.objects.get(pk=keys[0])
    hold = HoldFactory(subject=held, of_guest=of_guest)
    guest = Guest.objects.get()
    engine.erase(guest, requester=recording.Requester(Source.COMMAND), wait=True)
    assert Session.objects.filter(anonymized_in=None).exists()
    holds.release_hold(hold, source=Source.COMMAND)


@pytest.mark.parametrize(
    "erase",
    [
        sessions_by_page, guest_by_page, several_by_page, by_withdrawal, by_retention,
        sessions_by_command, guest_by_command, partial(by_api, guest=False), partial(by_api, guest=True),
        partial(by_release_of_a_hold, of_guest=False), partial(by_release_of_a_hold, of_guest=True),
    ],
)  # fmt: skip
def test_each_receipt_is_in_exactly_one_record(
    support: Client, receipts: list[str], erase: Callable[[Client, list[int]], None]
) -> None:
    erase(support, list(Session.objects.order_by("pk").values_list("pk", flat=True)))
    assert not Session.objects.filter(anonymized_in=None).exists()
    named = [name for record in Erasure.objects.of_people() for name in record.subjects]
    assert len(set(receipts)) == 3
    assert [named.count(receipt) for receipt in receipts] == [1, 1, 1]


def test_a_receipt_of_a_session_that_is_kept_is_in_no_record(
    support: Client, receipts: list[str]
) -> None:
    first = Session.objects.order_by("pk").first()
    assert first is not None
    sessions_by_page(support, [first.pk])
    named = {name for record in Erasure.objects.all() for name in record.subjects}
    assert [receipt in named for receipt in receipts] == [True, False, False]
