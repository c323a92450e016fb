"""Test ``manage.py hold`` and the output of other commands about holds: exit codes and ids."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from anonymization.models import DueErasure, Erasure, Hold
from sessions_app.models import Guest, Session
from tests.database import digest
from tests.factories import HoldFactory, SessionFactory

pytestmark = pytest.mark.django_db

NUMBER = "12 C 34/2026"


def in_days(days: int) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


def hold(*arguments: Any) -> None:
    call_command("hold", *map(str, arguments))


@pytest.mark.parametrize("kind", ["session", "guest"])
def test_it_sets_lists_keeps_and_releases(kind: str, capsys: Any) -> None:
    session = SessionFactory()
    key = session.pk if kind == "session" else session.guest_id
    options = ("--ground", "17-3-e", "--case-number", NUMBER, "--review-on", in_days(30))
    hold("set", kind, key, *options, "--json")
    made = json.loads(capsys.readouterr().out)
    pk = Hold.objects.get().pk
    line = {"hold": pk, kind: key, "ground": "17-3-e", "review_on": in_days(30), "overdue": False}
    assert made == {"result": "set", **line}
    hold("list", "--json")
    assert json.loads(capsys.readouterr().out) == {"holds": [line]}
    hold("review", pk, "--review-on", in_days(60))
    assert in_days(60) in capsys.readouterr().out
    hold("release", pk, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said == {"result": "released", "hold": pk, "records": [], "erasure_waits": False}
    hold("list")
    assert capsys.readouterr().out == ""


def test_it_prints_no_case_number(capsys: Any) -> None:
    held = HoldFactory(case_number=NUMBER)
    hold("list")
    said = capsys.readouterr().out
    assert said.startswith(f"hold: {held.pk}, session: ")
    assert "34" not in said.replace(str(held.review_on), "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "session", "999999", "--ground", "17-3-e", "--case-number", "1", "--review-on", "+30"],
        ["set", "session", "{pk}", "--ground", "17-3-e", "--case-number", "Jana Nova", "--review-on", "+30"],
        ["set", "session", "{pk}", "--ground", "17-3-e", "--case-number", "1", "--review-on", "+400"],
        ["set", "session", "{pk}", "--ground", "17-3-e", "--case-number", "1", "--review-on", "+0"],
        ["set", "session", "{anonymized}", "--ground", "17-3-e", "--case-number", "1", "--review-on", "+30"],
        ["review", "999999", "--review-on", "+30"],
        ["release", "999999"],
    ],
)  # fmt: skip
def test_it_refuses_with_one_and_changes_nothing(arguments: list[str]) -> None:
    session = SessionFactory()
    keys = {"pk": session.pk, "anonymized": SessionFactory(new_guest=True, anonymized=True).pk}
    given = [in_days(int(a)) if a[0] == "+" else a.format(**keys) for a in arguments]
    before = digest()
    with pytest.raises(CommandError) as refused:
        hold(*given)
    assert refused.value.returncode == 1
    assert digest() == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["set", "person", "1", "--ground", "17-3-e", "--case-number", "1", "--review-on", "2027-01-01"],
        ["set", "session", "01", "--ground", "17-3-e", "--case-number", "1", "--review-on", "2027-01-01"],
        ["set", "session", "1", "--ground", "17", "--case-number", "1", "--review-on", "2027-01-01"],
        ["set", "session", "1", "--ground", "17-3-e", "--case-number", "1", "--review-on", "soon"],
        ["set", "session", "1", "--ground", "17-3-e", "--case-number", "1"],
        ["release", "x"],
    ],
)  # fmt: skip
def test_a_wrong_option_is_told_by_the_parser(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="Error"):
        hold(*arguments)


@pytest.mark.parametrize("command", ["anonymize_session", "anonymize_guest"])
@pytest.mark.parametrize("option", [[], ["--dry-run"], ["--json"]])
def test_what_is_held_is_not_anonymized(command: str, option: list[str]) -> None:
    session = SessionFactory()
    HoldFactory(subject=session)
    subject = session.pk if command == "anonymize_session" else session.guest_id
    before = digest()
    with pytest.raises(CommandError, match="legal hold") as refused:
        call_command(command, str(subject), *option)
    assert refused.value.returncode == 1
    assert digest() == before


def test_a_guest_that_is_held_in_part_is_anonymized_in_part(capsys: Any) -> None:
    held, free = SessionFactory.create_batch(2)
    one = HoldFactory(subject=held)
    call_command("anonymize_guest", str(held.guest_id), "--dry-run", "--json")
    would = json.loads(capsys.readouterr().out)
    assert (would["held"], would["counts"]["sessions_app.Session"]) == (1, 1)
    with pytest.raises(CommandError, match="rests on 1 of the sessions"):
        call_command("anonymize_guest", str(held.guest_id), "--json")
    done = json.loads(capsys.readouterr().out)
    assert (done["result"], done["held"]) == ("partly anonymized", 1)
    assert done["record"] == Erasure.objects.get().number
    assert Session.objects.get(anonymized_in=None) == held
    assert free.pk != held.pk
    hold("release", one.pk, "--json")
    said = json.loads(capsys.readouterr().out)
    assert (len(said["records"]), said["erasure_waits"]) == (1, False)
    assert Guest.objects.get().anonymized_in
    assert not DueErasure.objects.exists()


def test_retention_counts_what_is_held(capsys: Any) -> None:
    session = SessionFactory(ended=True, days_ago=90, webchat__retention_days=30)
    HoldFactory(subject=session, overdue=True)
    for option, verb in (("--dry-run", "would anonymize"), ("--clock-is-right", "anonymized")):
        call_command("anonymize_expired", option, "--json")
        said = json.loads(capsys.readouterr().out)
        assert (said["result"], said["sessions"], said["held"], said["locked"]) == (verb, 0, 1, 0)
    call_command("anonymize_expired", "--clock-is-right")
    assert "Under a legal hold: 1." in capsys.readouterr().out


def test_the_status_counts_holds_and_overdue_reviews(capsys: Any, settings: Any) -> None:
    from anonymization.storage import mark_storage

    settings.ERASURE_LEDGER_DIR = None
    mark_storage()
    first, _second = SessionFactory.create_batch(2)
    HoldFactory(subject=first, overdue=True)
    HoldFactory(subject=first, released=True)
    with pytest.raises(CommandError):
        call_command("anonymize_guest", str(first.guest_id))
    capsys.readouterr()
    call_command("erasure_status", "--json")
    said = json.loads(capsys.readouterr().out)
    assert (said["holds"], said["holds_overdue"], said["erasures_waiting"]) == (1, 1, 1)
