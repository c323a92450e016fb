"""Test that a run of retention that failed or was killed is reported."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from anonymization import batch, runs
from anonymization.models import Erasure, Job, LastRun, Note
from sessions_app import retention
from sessions_app.models import RetentionRun, Session
from tests.factories import SessionFactory, WebChatFactory

pytestmark = pytest.mark.django_db

NOT_FINISHED = "has not finished: it was killed, it failed, or it still runs."


@pytest.fixture(autouse=True)
def _three_due_sessions_in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_ON_SQLITE", 0)
    monkeypatch.setattr(retention, "PASSES", 1)
    monkeypatch.setattr(retention, "PASS_PAUSE", 0)
    monkeypatch.setattr(retention, "FIRST_CHUNK", 1)
    webchat = WebChatFactory(retention_days=30)
    SessionFactory.create_batch(3, webchat=webchat, new_guest=True, ended=True, days_ago=40)


def run(*arguments: str) -> str:
    """Run the command; return what cron mails."""
    mailed = StringIO()
    call_command("anonymize_expired", *arguments, stdout=StringIO(), stderr=mailed)
    return mailed.getvalue()


def kill_a_run() -> None:
    chunks = retention.anonymize_expired(now=timezone.now())
    assert next(chunks).anonymized == 1
    chunks.close()  # type: ignore[attr-defined]


def status() -> dict[str, Any]:
    printed = StringIO()
    call_command("erasure_status", "--json", stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def failed() -> bool:
    return LastRun.objects.get(job=Job.RETENTION).failed_at is not None


def test_a_killed_run_is_named_until_a_run_finishes(log_in: Any) -> None:
    kill_a_run()
    began = LastRun.objects.get(job=Job.RETENTION).began_at
    assert began
    assert status()["unfinished_run"] == {"retention": began.isoformat()}
    assert not run("--dry-run")
    assert NOT_FINISHED in run()
    assert status()["unfinished_run"] == {}
    assert not run()
    note = Erasure.objects.get(kind=Note.RETENTION_RUN)
    assert note.counts["unfinished runs"] == 1
    assert [note.counts[name] for name in note.counts if name.endswith("sessions")] == [2]
    page = log_in("officer").get(f"/erasures/{note.pk}/").content.decode()
    assert "An earlier run did not finish." in page


def test_a_summary_names_a_killed_run_that_left_nothing_due() -> None:
    kill_a_run()
    Session.objects.filter(anonymized_in=None).update(ended_at=timezone.now())
    run()
    assert Erasure.objects.get(kind=Note.RETENTION_RUN).counts == {"unfinished runs": 1}
    call_command("verify_ledger", "--without-outside", stdout=StringIO())


def test_a_refusal_because_of_the_clock_is_a_failed_run() -> None:
    RetentionRun.objects.create(pk=1, began_at=timezone.now() - timedelta(days=8))
    with pytest.raises(CommandError, match="Is the clock right"):
        run("--dry-run")
    assert not failed()
    with pytest.raises(CommandError, match="Is the clock right"):
        run()
    assert failed()
    run("--clock-is-right")
    assert not failed()


def test_a_refusal_of_the_ledger_is_a_failed_run(settings: Any, tmp_path: Path) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path / "gone"
    with pytest.raises(CommandError, match="Anonymized before: 0"):
        run()
    assert failed()
    settings.ERASURE_LEDGER_DIR = None
    assert NOT_FINISHED in run()
    assert not failed()


def test_a_run_that_left_locked_sessions_is_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(retention, "erase_batch", lambda *_arguments, **_options: [])
        with pytest.raises(CommandError, match="3 sessions are due but locked"):
            run()
    assert failed()
    assert runs.unfinished_since(Job.RETENTION) is None
    assert batch.erase_batch is retention.erase_batch
