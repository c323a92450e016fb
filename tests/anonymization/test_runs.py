"""Test that a job of cron that stops or fails is reported.

It is shown on the home page, by ``erasure_status`` and by ``/readyz?verbose``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from anonymization import runs, triggers
from anonymization.models import Erasure, Job, LastRun, LedgerState
from mluvii_gdpr import readiness
from tests.factories import RecordFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_old_answers() -> Iterator[None]:
    readiness.jobs.forget()
    yield
    readiness.jobs.forget()


def state(job: Job) -> runs.State:
    return next(state for state in runs.states() if state.job is job)


def let_pass(job: Job, passed: timedelta) -> None:
    good_at = timezone.now() - passed
    LastRun.objects.filter(job=job).update(good_at=good_at)
    if job == Job.LEDGER:
        LedgerState.change(verified_at=good_at)


def warned(client: Client) -> set[str]:
    readiness.jobs.forget()
    answer = client.get("/readyz?verbose")
    assert answer.status_code == 200
    assert not [one for one in client.get("/readyz").json()["warnings"] if "runs." in one]
    return {one for one in answer.json()["warnings"] if one.startswith("runs.")}


@pytest.mark.parametrize("job", list(runs.OVERDUE_AFTER))
def test_a_job_that_stops_is_named_everywhere(job: Job, client: Client, log_in: LogIn) -> None:
    runs.record(job)
    let_pass(job, runs.OVERDUE_AFTER[job] - timedelta(minutes=1))
    assert not state(job).wrong
    assert warned(client) == set()
    call_command("erasure_status", stdout=StringIO())
    let_pass(job, runs.OVERDUE_AFTER[job] + timedelta(minutes=1))
    assert state(job).wrong == "overdue"
    assert warned(client) == {f"runs.{job}.overdue"}
    with pytest.raises(CommandError, match=f"{job}: the last run is too long ago"):
        call_command("erasure_status", stdout=StringIO())
    for role in ("officer", "administrator"):
        page = log_in(role).get("/").content.decode()
        assert f'stat-wrong" data-job="{job}"' in page
        assert page.count("stat-wrong") == page.count("Overdue: ") == 1
    assert "data-job" not in log_in("operator").get("/").content.decode()


def test_a_job_that_never_ran_is_expected_from_the_upgrade_on() -> None:
    assert not state(Job.RETENTION).wrong
    LastRun.objects.update(expected_since=timezone.now() - timedelta(days=9))
    assert {one.wrong for one in runs.states()} == {"overdue"}
    runs.record(Job.RETENTION)
    assert not state(Job.RETENTION).wrong
    LastRun.objects.all().delete()
    assert {one.wrong for one in runs.states()} == {"overdue"}, "nothing known is nothing good"
    runs.expect_jobs()
    runs.expect_jobs()
    assert {one.wrong for one in runs.states()} == {""}


def test_jobs_are_overdue_when_the_docs_say_so() -> None:
    docs = Path("docs/configuration.md").read_text()
    said = re.findall(r"^\| `(\w+)` \| .+ \| ([0-9]+) (hour|day)s? \|$", docs, re.MULTILINE)
    assert {job: timedelta(**{f"{unit}s": int(number)}) for job, number, unit in said} == (
        runs.OVERDUE_AFTER
    )


def last(job: Job) -> str:
    printed = StringIO()
    call_command("erasure_status", "--json", stdout=printed)
    return json.loads(printed.getvalue())["last_good_run"][job]


@pytest.mark.parametrize(
    ("command", "job"),
    [
        (["anonymize_expired"], Job.RETENTION),
        (["delete_erased_files", "--queued-only"], Job.FILES),
        (["verify_ledger"], Job.LEDGER),
        (["verify_ledger"], Job.EVIDENCE),
        (["anchor_evidence"], Job.ANCHOR),
    ],
)
def test_each_command_stores_its_good_run(command: list[str], job: Job) -> None:
    assert last(job) == "never"
    before = timezone.now()
    call_command(*command, stdout=StringIO())
    assert last(job) >= before.isoformat()
    call_command("anonymize_expired", "--dry-run", stdout=StringIO())
    assert runs.states()[0].good_at == LastRun.objects.get(job=Job.RETENTION).good_at


@pytest.mark.parametrize("arguments", [["--without-outside"], ["--head", "wrong"]])
def test_an_incomplete_verification_does_not_count(arguments: list[str]) -> None:
    try:
        call_command("verify_ledger", *arguments, stdout=StringIO())
    except CommandError:
        assert "wrong" in arguments
    for job in (Job.LEDGER, Job.EVIDENCE):
        assert (last(job), state(job).failed) == ("never", False)


def test_a_broken_ledger_stays_red_until_it_is_verified(client: Client) -> None:
    record = RecordFactory()
    call_command("verify_ledger", stdout=StringIO())
    triggers.drop(connection)
    Erasure.objects.update(kind="sessions_app.Guest")
    with pytest.raises(CommandError, match="record 1"):
        call_command("verify_ledger", stdout=StringIO())
    assert warned(client) == {"runs.ledger.failed"}
    Erasure.objects.update(kind=record.kind)
    triggers.install(connection)
    call_command("verify_ledger", stdout=StringIO())
    assert warned(client) == set()
