"""A restored backup lacks newer anchors and events. That is no false alarm, and old anchors still hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from anonymization import restoration, triggers
from anonymization.ledger import external_copy, recording
from anonymization.models import Erasure, Note, Source
from anonymization.restoration import Standing, standing
from mluvii_gdpr import readiness
from sessions_app.models import ConsentEvent, EvidenceAnchor
from tests.backups import backup
from tests.factories import AttachmentFactory, ErasureFactory, SessionFactory
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _ledger(settings: Any, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "ledger").mkdir()
    settings.ERASURE_LEDGER_DIR = tmp_path / "ledger"
    readiness.ledger.forget()
    restoration.begin_copy(requester=recording.Requester(Source.COMMAND))
    yield
    readiness.ledger.forget()


def run(command: str) -> str:
    printed = StringIO()
    call_command(command, stdout=printed)
    return printed.getvalue()


def remove_the_first_event() -> None:
    triggers.drop(connection)
    first = ConsentEvent.objects.order_by("pk").values("pk")[:1]
    ConsentEvent.objects.filter(pk__in=list(first.values_list("pk", flat=True)))._raw_delete(
        "default"
    )
    triggers.install(connection)


def test_anchors_that_the_backup_lacks_are_no_alarm(webchat: WebChat, tmp_path: Path) -> None:
    first = SessionFactory(webchat=webchat, email="first@example.com")
    AttachmentFactory(session=first)
    run("anchor_evidence")
    with backup(tmp_path) as made:
        for email in ("lost@example.com", "lost.too@example.com"):
            SessionFactory(webchat=webchat, email=email)
            run("anchor_evidence")
        ErasureFactory(subject=first.guest)
        made.restore()
        assert standing() is Standing.BEHIND
        run("replay_erasures")
    assert EvidenceAnchor.objects.count() == 1
    assert Erasure.objects.filter(kind=Note.EVIDENCE_ANCHORED).count() == 3
    assert "1 events. Not anchored yet: 0." in run("verify_ledger")
    # New events get the numbers of the lost ones.
    SessionFactory(webchat=webchat, email="new@example.com")
    assert run("anchor_evidence").startswith("Anchored events: 1.")
    assert "2 events. Not anchored yet: 0." in run("verify_ledger")
    remove_the_first_event()
    with pytest.raises(CommandError, match="1 were removed after they were anchored"):
        run("verify_ledger")


def test_a_merge_that_the_backup_lacks_is_no_alarm(
    webchat: WebChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = timezone.now() - timedelta(days=40)
    with monkeypatch.context() as earlier:
        earlier.setattr(timezone, "now", lambda: long_ago)
        AttachmentFactory(session=SessionFactory(webchat=webchat))
        run("anchor_evidence")
        SessionFactory(webchat=webchat)
        run("anchor_evidence")
    with backup(tmp_path) as made:
        assert "Merged anchors: 2." in run("anchor_evidence")
        run("verify_ledger")
        made.restore()
        run("replay_erasures")
    assert EvidenceAnchor.objects.count() == 2
    run("verify_ledger")
    assert "Merged anchors: 2." in run("anchor_evidence")
    assert EvidenceAnchor.objects.count() == 1
    run("verify_ledger")
    remove_the_first_event()
    with pytest.raises(CommandError, match="1 were removed after they were anchored"):
        run("verify_ledger")


def test_a_run_that_died_before_its_commit_is_no_alarm(
    webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    SessionFactory(webchat=webchat)
    run("anchor_evidence")
    SessionFactory(webchat=webchat)
    with monkeypatch.context() as dying:
        dying.setattr(external_copy, "write_voids", _die)
        dying.setattr(recording, "seal_after_commit", _die)
        real = external_copy.write_intents

        def write_and_die(*arguments: Any) -> None:
            real(*arguments)
            raise KeyboardInterrupt

        dying.setattr(external_copy, "write_intents", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            run("anchor_evidence")
    assert standing() is Standing.UNFINISHED
    assert EvidenceAnchor.objects.count() == 1
    assert run("anchor_evidence").startswith("Anchored events: 1.")
    assert standing() is Standing.EVEN
    assert EvidenceAnchor.objects.count() == 2
    assert "2 events. Not anchored yet: 0." in run("verify_ledger")


def _die(*_arguments: Any, **_options: Any) -> None:
    raise OSError
