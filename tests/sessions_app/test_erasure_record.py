"""Test which facts the page of a record shows as proven, and that its download proves them later.

The download still proves facts that were cleared after their period.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from anonymization import maintenance, triggers
from anonymization.models import Erasure, FileDeletion, Note
from anonymization.staff.certificate import facts_state
from tests.factories import ErasureFactory, RecordFactory, SessionFactory, StaffFactory
from tests.pages import LogIn, compact

pytestmark = pytest.mark.django_db

WHEN_CLEARED = "The exact time and the numbers are cleared when the period of the erasure is over."


@pytest.fixture
def officer(log_in: LogIn) -> Client:
    return log_in("officer")


def certificate(client: Client, record: Erasure) -> dict[str, Any]:
    response = client.get(f"/erasures/{record.pk}/json/")
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="erasure-record-{record.number}.json"'
    )
    told: dict[str, Any] = json.loads(response.content)
    return told


def documented() -> dict[str, Any]:
    """Return the functions that docs/erasure.md defines for verifying a certificate."""
    page = (Path(settings.BASE_DIR) / "docs" / "erasure.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    defined: dict[str, Any] = {}
    exec(program, defined)  # noqa: S102  our own page
    return defined


def proves(kept: dict[str, Any]) -> bool:
    proved: bool = documented()["facts_are_proved"](kept)
    return proved


def change(record: Erasure, **fields: Any) -> None:
    """Change a stored record, as a superuser of the database can."""
    triggers.drop(connection)
    Erasure.objects.filter(pk=record.pk).update(**fields)
    triggers.install(connection)


def forget(record: Erasure) -> None:
    """Move the end of the record's period into the past, then let ``maintain`` clear its facts."""
    change(record, created_at=timezone.now() - timedelta(days=40))
    assert maintenance.forget_facts() == 1


def test_a_fresh_record_is_verified_and_proves_itself(officer: Client) -> None:
    record = ErasureFactory(
        subject=SessionFactory(messages=["Hello"]), requested_by=StaffFactory(role="support")
    )
    page = officer.get(f"/erasures/{record.pk}/")
    html = compact(page)
    assert page.context["facts"] == "match"
    for shown in (
        "match the ledger",
        "<dt>Account</dt><dd>support</dd>",
        record.salt,
        record.facts,
    ):
        assert shown in html
    assert f"until the period {timezone.localdate():%B %Y} is over" in html
    assert "English: consent given, not withdrawn</li>" in html, "the kept evidence"
    kept = certificate(officer, record)
    assert kept["facts_state"] == "match"
    assert kept["facts"]["counts"]["sessions_app.Message"] == 1
    assert proves(kept)


def test_the_print_has_all_that_the_download_has(officer: Client) -> None:
    record = ErasureFactory()
    printed = compact(officer.get(f"/erasures/{record.pk}/")).replace("&quot;", '"')
    kept, canonical = certificate(officer, record), documented()["canonical"]
    chained = {name: value for name, value in kept["ledger"].items() if name != "hash"}
    for value in (canonical(kept["facts"]).decode(), canonical(chained).decode(), kept["salt"]):
        assert f"{value}</code>" in printed
    assert f"{kept['code']}</code>" in printed
    assert f"{kept['head']['sequence']}:{kept['head']['hash']}</code>" in printed


@pytest.mark.parametrize(
    "changed",
    [{"door": "page"}, {"ground": "mistake"}, {"counts": {}}, {"salt": "0" * 64}, {"evidence": []}, "time", "account"],
    ids=str,
)  # fmt: skip
def test_a_changed_fact_is_red(officer: Client, changed: Any) -> None:
    record = ErasureFactory()
    if changed == "time":
        changed = {"created_at": record.created_at + timedelta(microseconds=1)}
    elif changed == "account":
        changed = {"requested_by": StaffFactory()}
    change(record, **changed)
    page = compact(officer.get(f"/erasures/{record.pk}/"))
    assert '<span class="badge bg-red-lt">differ from the ledger</span>' in page
    assert 'class="alert alert-danger" role="alert"' in page
    kept = certificate(officer, record)
    assert kept["facts_state"] == "differ"
    assert not proves(kept)


def test_cleared_facts_are_said_and_the_kept_certificate_still_proves_them(officer: Client) -> None:
    record = ErasureFactory(
        subject=SessionFactory(messages=["Hello"]), requested_by=StaffFactory(role="support")
    )
    kept = certificate(officer, record)
    forget(record)
    page = compact(officer.get(f"/erasures/{record.pk}/"))
    assert WHEN_CLEARED in page
    assert 'href="/prove/"' in page.partition("<main")[2]
    assert '<span class="badge bg-secondary-lt">no longer stored</span>' in page
    for stays in ("Staff app", "Command", "<dd>support</dd>", "Request of the person"):
        assert (stays in page) == (stays != "Staff app")
    assert "2 records were anonymized. The other numbers are no longer stored." in page
    for gone in (kept["salt"], "message: 1", "consent given", f"{record.created_at:%H:%M}"):
        assert gone not in page, gone
    now = certificate(officer, record)
    assert (now["facts"], now["salt"], now["facts_state"]) == (None, None, "cleared")
    assert (now["source"], now["ground"]) == ("command", "request")
    assert now["ledger"] == kept["ledger"]
    assert proves(kept | {"ledger": now["ledger"]})
    assert not proves(kept | {"facts": kept["facts"] | {"ground": "other"}})
    assert ">anonymized records: 2</td>" in officer.get("/erasures/").content.decode()


def test_a_record_of_version_1_names_unchained_facts(officer: Client) -> None:
    record = ErasureFactory()
    change(record, version=1, facts="", salt="", ground="", subjects=record.subjects[:1])
    record.refresh_from_db()
    assert facts_state(record) == "unchained"
    page = compact(officer.get(f"/erasures/{record.pk}/"))
    assert "It does not cover time, source, account, ground and numbers." in page
    assert "<dt>Ground</dt>" not in page
    kept = certificate(officer, record)
    assert (kept["facts_state"], kept["salt"]) == ("unchained", None)
    assert set(kept["ledger"]) == {
        "version", "sequence", "kind", "subject", "day", "requester", "previous", "hash"
    }  # fmt: skip
    assert officer.get("/erasures/").status_code == 200


def test_facts_stay_while_files_are_pending(officer: Client) -> None:
    record = ErasureFactory()
    FileDeletion.objects.create(erasure=record, name="x")
    change(record, created_at=timezone.now() - timedelta(days=40))
    assert maintenance.forget_facts() == 0
    assert "1 stored file still has to be deleted" in compact(
        officer.get(f"/erasures/{record.pk}/")
    )


def test_a_note_is_no_erasure_of_somebody(officer: Client) -> None:
    record = RecordFactory(kind=Note.REPLAYED, rows=0)
    page = officer.get(f"/erasures/{record.pk}/").content.decode()
    assert "Hashes of the subjects" in page
    for absent in ("What was deleted", "Deleted from the application", "until the period"):
        assert absent not in page


def test_the_list_is_filtered_by_day_when_the_time_is_cleared(officer: Client) -> None:
    record = ErasureFactory()
    forget(record)
    today = f"{timezone.localdate():%Y-%m-%d}"
    page = officer.get(f"/erasures/?since={today}&until={today}")
    assert [erasure.number for erasure, *_ in page.context["rows"]] == [1]
    assert re.search(rf'<time datetime="{today}"', page.content.decode())
