"""Test legal holds with the external copy of the ledger.

A hold may be released after the backup was made. A restore then brings it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anonymization import engine, holds, restoration
from anonymization.ledger import external_copy, recording
from anonymization.models import DueErasure, Erasure, Hold, Note, Source
from anonymization.restoration import Standing, standing
from mluvii_gdpr import readiness
from sessions_app.models import Guest, Session
from tests.backups import backup
from tests.factories import AttachmentFactory, HoldFactory, SessionFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = recording.Requester(Source.COMMAND)


@pytest.fixture
def ledger(settings: Any, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "ledger").mkdir()
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    readiness.ledger.forget()
    restoration.begin_copy(requester=COMMAND)
    yield tmp_path / "ledger" / external_copy.FILE
    readiness.ledger.forget()


@pytest.fixture
def sessions(webchat: WebChat) -> list[Session]:
    """Return two sessions of one guest. A third session has a file."""
    AttachmentFactory(session__new_guest=True, session__webchat=webchat)
    return SessionFactory.create_batch(2, webchat=webchat, messages=["Kassiopeia"], ended=True)


def release(hold: Hold) -> None:
    holds.release_hold(hold, source=Source.COMMAND)


def replay() -> None:
    restoration.carry_out(restoration.plan(), requester=COMMAND)


def test_a_release_and_its_erasure_are_one_transaction_in_the_copy(
    ledger: Path, sessions: list[Session]
) -> None:
    hold = HoldFactory(subject=sessions[0])
    engine.erase(sessions[0].guest, requester=COMMAND)
    release(hold)
    kinds = [entry.kind for entry in external_copy.read(ledger).sealed]
    assert kinds[2:] == ["sessions_app.Guest", Note.HOLD_RELEASED]
    assert standing() is Standing.EVEN
    engine.erase(SessionFactory(new_guest=True), requester=COMMAND)
    assert standing() is Standing.EVEN


@pytest.mark.parametrize("of_guest", [False, True])
def test_a_replay_releases_a_hold_that_the_backup_brings_back(
    of_guest: bool, ledger: Path, tmp_path: Path, sessions: list[Session]
) -> None:
    hold = HoldFactory(subject=sessions[0], of_guest=of_guest)
    other = HoldFactory(subject=SessionFactory(new_guest=True))
    with backup(tmp_path) as made:
        release(hold)
        engine.erase(sessions[0].guest, requester=COMMAND)
        made.restore()
        assert Hold.objects.active().count() == 2
        replay()
    assert standing() is Standing.EVEN
    assert Guest.objects.get(pk=sessions[0].guest_id).anonymized_in
    assert list(Hold.objects.all()) == [other]


def test_a_replay_keeps_the_hold_of_a_session_that_was_not_erased(
    ledger: Path, tmp_path: Path, sessions: list[Session]
) -> None:
    held, free = sessions
    hold = HoldFactory(subject=held)
    with backup(tmp_path) as made:
        engine.erase(free, requester=COMMAND)
        made.restore()
        replay()
    assert list(Hold.objects.active()) == [hold]
    assert Session.objects.get(pk=held.pk).anonymized_in is None
    assert Session.objects.get(pk=free.pk).anonymized_in


def test_an_erasure_that_was_never_committed_obeys_a_hold(
    ledger: Path, tmp_path: Path, sessions: list[Session]
) -> None:
    """The copy has the intent of an erasure, and no record of a release."""
    session = sessions[0]
    with backup(tmp_path) as made:
        engine.erase(session, requester=COMMAND)
        made.restore()
    entry = external_copy.read(ledger).sealed[-1]
    HoldFactory(subject=session)
    with pytest.raises(engine.Held):
        engine.replay(entry, [session], sealed=False, requester=COMMAND)
    assert not Session.objects.exclude(anonymized_in=None).exists()
    assert not DueErasure.objects.exists()
    assert Erasure.objects.count() == 1
