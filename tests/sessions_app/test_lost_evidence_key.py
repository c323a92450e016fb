"""Test that the loss of a key of the evidence is recorded in the ledger and hides no manipulation."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from anonymization import triggers
from anonymization.models import Erasure, Note
from sessions_app.evidence import anchors
from sessions_app.models import ConsentEvent, EvidenceAnchor
from tests.factories import SessionFactory, WebChatFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

LOST, NEW = "the lost key of the evidence " * 2, "the new key of the evidence " * 2


def run(*arguments: str) -> str:
    printed = StringIO()
    call_command(*arguments, stdout=printed)
    return printed.getvalue()


@pytest.fixture
def webchat(settings: Any) -> WebChat:
    """Return a WebChat with two anchored events of the lost key and one that is not anchored."""
    settings.EVIDENCE_KEY, settings.EVIDENCE_KEY_FALLBACKS = LOST, []
    webchat: WebChat = WebChatFactory()
    SessionFactory.create_batch(2, webchat=webchat)
    run("anchor_evidence")
    SessionFactory(webchat=webchat)
    settings.EVIDENCE_KEY = NEW
    return webchat


def change_events(**values: Any) -> None:
    triggers.drop(connection)
    first = ConsentEvent.objects.order_by("pk").values("pk")[:1]
    ConsentEvent.objects.filter(pk__in=first).update(**values)
    triggers.install(connection)


def test_a_recorded_loss_ends_the_failure(webchat: WebChat) -> None:
    for command in ("verify_ledger", "anchor_evidence"):
        with pytest.raises(CommandError, match="the anchor was not made with one of the keys"):
            run(command)
    said = run("anchor_evidence", "--key-is-lost")
    assert "from now on verified by the ledger alone: 3." in said
    note = Erasure.objects.get(kind=Note.EVIDENCE_KEY_LOST)
    assert {one.digest for one in EvidenceAnchor.objects.all()} < set(note.subjects)
    SessionFactory(webchat=webchat)
    assert "Not anchored yet: 1." in run("verify_ledger")
    run("anchor_evidence")
    assert run("verify_ledger").endswith("With a lost key, verified by the ledger alone: 3.\n")


def test_known_keys_need_no_record(webchat: WebChat, settings: Any) -> None:
    settings.EVIDENCE_KEY_FALLBACKS = [LOST]
    assert "by the ledger alone: 0." in run("anchor_evidence", "--key-is-lost")
    assert not Erasure.objects.filter(kind=Note.EVIDENCE_KEY_LOST).exists()


def test_a_changed_event_can_not_hide_behind_a_lost_key(webchat: WebChat) -> None:
    change_events(day=timezone.localdate() - dt.timedelta(days=40))
    with pytest.raises(CommandError, match="one was changed after they were anchored"):
        run("anchor_evidence", "--key-is-lost")
    assert not Erasure.objects.filter(kind=Note.EVIDENCE_KEY_LOST).exists()


def test_an_event_without_an_hmac_is_not_taken(webchat: WebChat) -> None:
    triggers.drop(connection)
    ConsentEvent.objects.filter(pk=ConsentEvent.objects.latest("pk").pk).update(hmac="")
    triggers.install(connection)
    with pytest.raises(CommandError, match="it has no HMAC and is newer than the first anchor"):
        run("anchor_evidence", "--key-is-lost")


def test_events_of_a_lost_key_stay_protected(webchat: WebChat) -> None:
    run("anchor_evidence", "--key-is-lost")
    change_events(via="link")
    with pytest.raises(CommandError, match="one was changed after they were anchored"):
        run("verify_ledger")


def test_the_flag_is_covered_by_the_ledger(webchat: WebChat, settings: Any) -> None:
    settings.EVIDENCE_KEY_FALLBACKS = [LOST]
    triggers.drop(connection)
    EvidenceAnchor.objects.update(key_lost=True)
    triggers.install(connection)
    with pytest.raises(CommandError, match="one was changed after they were anchored"):
        run("verify_ledger")


def test_a_merged_anchor_keeps_the_loss(webchat: WebChat, monkeypatch: pytest.MonkeyPatch) -> None:
    run("anchor_evidence", "--key-is-lost")
    assert EvidenceAnchor.objects.count() == 2
    later = timezone.localdate() + dt.timedelta(days=40)
    monkeypatch.setattr(anchors.timezone, "localdate", lambda *_moment: later)
    assert "Merged anchors: 2." in run("anchor_evidence")
    assert EvidenceAnchor.objects.get().key_lost
    assert "by the ledger alone: 3." in run("verify_ledger")
