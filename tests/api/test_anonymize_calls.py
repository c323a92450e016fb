"""Test anonymization through the API: the same service and record, limited, repeatable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from anonymization import files, triggers
from anonymization.models import Erasure, Source
from api import services
from api.models import ApiClient, IdempotencyKey, LimitReached
from sessions_app.models import Guest, Session
from tests.api.conftest import Caller, token_for
from tests.bystander import besides
from tests.database import digest, dump
from tests.factories import (
    ApiClientFactory,
    AttachmentFactory,
    ErasureFactory,
    MessageFactory,
    SessionFactory,
    StaffFactory,
)
from tests.races import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bystander")]

#: The members that clients expect. After an anonymization they are present, without values that
#: identify the person.
EMPTIED = {
    "ipAddress": None,
    "trackedId": None,
    "identity": "",
    "callParams": {},
    "os": "OTHER",
    "browser": "OTHER",
}


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Any) -> Callable[..., Any]:
    """Run the work that an erasure leaves for after its commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_a_session_is_anonymized_and_answers_in_the_same_shape(api: Any, commits: Any) -> None:
    session, _again = SessionFactory.create_batch(
        2, name="Kanar Kanarova", email="kanar@example.com"
    )
    MessageFactory(session=session, text="kanartext")
    caller = api()
    before = caller.get(f"/api/v1/Sessions/{session.pk}").json()
    assert "anar" in json.dumps(before), "the positive control"

    with commits():
        response = caller.post(f"/api/v1/Sessions/{session.pk}/anonymous")

    assert (response.status_code, response.content) == (204, b"")
    after = caller.get(f"/api/v1/Sessions/{session.pk}").json()
    assert "anar" not in json.dumps(after)
    assert after.keys() == before.keys()
    assert after["guest"].keys() == before["guest"].keys()
    assert after["guest"].items() >= EMPTIED.items()
    assert (after["url"], after["activities"], after["guestFeedbackText"]) == (None, [], None)
    assert after["guest"]["gdprVersion"] == before["guest"]["gdprVersion"] == "1/en"
    assert after["anonymized"]
    assert [row["id"] for row in caller.sessions(**{"Anonymized.Null": "false"})] == [session.pk]
    assert (
        caller.sessions(**{"GDPRVersion.Exact": "1/en", "Anonymized.Min": "2020-01-01"})[0] == after
    )


def test_the_record_names_the_door_and_the_client() -> None:
    client, session = ApiClientFactory(name="CRM nightly sync"), SessionFactory()
    Caller(token_for(client)).post(f"/api/v1/Guest/{session.guest_id}/anonymous")
    record = Erasure.objects.get()
    assert (record.door, record.client, record.requested_by) == (Source.API, client, None)
    assert (record.kind, record.ground) == ("sessions_app.Guest", "request")


@pytest.mark.parametrize("ground", ["request", "withdrawal", "authority", "mistake", "other"])
def test_the_record_keeps_the_ground(api: Any, ground: str) -> None:
    path = f"/api/v1/Sessions/{SessionFactory().pk}/anonymous?Ground={ground.upper()}"
    assert api().post(path).status_code == 204
    assert Erasure.objects.get().ground == ground


@pytest.mark.parametrize(
    "query", ["ground=", "ground=x", "ground=retention", "ground=%00", "ground=other&ground=other"]
)
@pytest.mark.parametrize("dry_run", ["", "&dry_run=true"])
def test_a_wrong_ground_erases_nothing(api: Any, query: str, dry_run: str) -> None:
    """Only the system itself may use the retention period as a ground."""
    session = SessionFactory()
    response = api().post(f"/api/v1/Sessions/{session.pk}/anonymous?{query}{dry_run}")
    assert (response.status_code, list(response.json())) == (400, ["ground"])
    session.refresh_from_db()
    assert session.anonymized_in is None


def test_the_page_of_the_record_names_the_client(log_in: Any) -> None:
    client = ApiClientFactory(name="CRM nightly sync")
    Caller(token_for(client)).post(f"/api/v1/Sessions/{SessionFactory().pk}/anonymous")
    officer = log_in("officer")
    for page in ("/erasures/", Erasure.objects.get().get_absolute_url()):
        assert "CRM nightly sync" in officer.get(page).content.decode()


def test_repeating_is_a_success_and_changes_nothing(api: Any) -> None:
    session, caller = SessionFactory(), api()
    guest = session.guest_id
    assert caller.post(f"/api/v1/Guest/{guest}/anonymous").status_code == 204
    before = digest()
    for path in (
        f"Guest/{guest}/anonymize",
        f"Guests/{guest}/anonymous",
        f"Sessions/{session.pk}/anonymize",
    ):
        assert caller.post(f"/api/v1/{path}").status_code == 204
        assert caller.client.put(f"/api/v1/{path}").status_code == 204
    assert digest() == before
    assert caller.get(f"/api/v1/Guests/{guest}").json()["name"] == ""


def test_files_that_are_still_there_are_told(api: Any, monkeypatch: Any, commits: Any) -> None:
    session = AttachmentFactory().session
    path = f"/api/v1/Sessions/{session.pk}/anonymous"
    with monkeypatch.context() as broken:
        broken.setattr("anonymization.files.default_storage.delete", lambda name: None)
        with commits():
            assert api().post(path).status_code == 202
        assert api().post(path).status_code == 202
    assert files.delete_pending_files() == 0
    assert api().post(path).status_code == 204


@pytest.mark.parametrize("word", ["true", "TRUE", "1"])
def test_a_dry_run_counts_and_changes_nothing(api: Any, word: str) -> None:
    session, _again = SessionFactory(messages=["Hello"]), SessionFactory()
    caller = api()
    before = digest()
    guest = caller.post(f"/api/v1/Guest/{session.guest_id}/anonymous?dry_run={word}")
    one = caller.post(f"/api/v1/Sessions/{session.pk}/anonymous?Dry_Run={word}")
    assert digest() == before
    assert guest.status_code == one.status_code == 200
    assert guest.json() == {
        "dryRun": True,
        "counts": {
            "attachments": 0,
            "lifesigns": 0,
            "messages": 1,
            "signals": 0,
            "sessions": 2,
            "guests": 1,
        },
    }
    assert one.json()["counts"] == {
        "attachments": 0, "lifesigns": 0, "messages": 1, "signals": 0, "sessions": 1,
    }  # fmt: skip
    caller.post(f"/api/v1/Guest/{session.guest_id}/anonymous?dry_run=false")
    assert (
        caller.post(f"/api/v1/Guest/{session.guest_id}/anonymous?dry_run=true").json()["counts"]
        == {}
    )


@pytest.mark.parametrize("word", ["yes", "", "2"])
def test_a_doubtful_dry_run_erases_nothing(api: Any, word: str) -> None:
    session = SessionFactory()
    assert api().post(f"/api/v1/Sessions/{session.pk}/anonymous?dry_run={word}").status_code == 400
    session.refresh_from_db()
    assert session.anonymized_in is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"content_type": ""},
        {"content_type": "application/json", "data": ""},
        {"content_type": "application/json", "data": "{"},
        {"content_type": "text/plain", "data": "x"},
        {"content_type": "application/x-www-form-urlencoded", "data": "a=b"},
        {"content_type": "nonsense; charset=zlib", "data": "\0"},
    ],
)
def test_the_body_does_not_matter(api: Any, options: dict[str, str]) -> None:
    session = SessionFactory()
    response = api().client.generic("POST", f"/api/v1/Sessions/{session.pk}/anonymize", **options)
    assert response.status_code == 204


def test_a_huge_body_is_refused(api: Any) -> None:
    session = SessionFactory()
    for path in (f"/api/v1/Sessions/{session.pk}/anonymize", "/api/v1/Guests/find"):
        response = api().client.post(path, "x" * 3_000_000, content_type="application/json")
        assert response.status_code == 413
        assert response.json() == {"detail": "The body is too large."}


def test_only_the_subject_changes(api: Any) -> None:
    mine, other = SessionFactory(), SessionFactory(email="petr@example.com")
    before = digest()
    api().post(f"/api/v1/Sessions/{mine.pk}/anonymous")
    after = digest()
    changed = {
        table: len(before[table] - after[table]) for table in before if before[table] - after[table]
    }
    assert changed.pop("sessions_app_session") == changed.pop("sessions_app_guest") == 1
    assert changed.pop("sessions_app_guestword") == len(["jana", "novakova"])
    assert changed == {}
    other.refresh_from_db()
    assert other.entered_email == "petr@example.com"


# Idempotency keys ---------------------------------------------------------------------------------------


def test_a_key_stands_for_one_request_of_one_client(api: Any) -> None:
    first, second = SessionFactory.create_batch(2, new_guest=True)
    caller, other = api(), api()
    key = {"headers": {"Idempotency-Key": "kanar-key-1"}}
    path = "/api/v1/Sessions/{}/anonymous"
    assert caller.post(path.format(first.pk), **key).status_code == 204
    assert caller.post(path.format(first.pk), **key).status_code == 204
    refused = caller.post(path.format(second.pk), **key)
    assert refused.status_code == 409
    assert list(refused.json()) == ["Idempotency-Key"]
    second.refresh_from_db()
    assert second.anonymized_in is None
    assert other.post(path.format(second.pk), **key).status_code == 204, (
        "another client's keys are its own"
    )
    assert "kanar-key-1" not in dump()
    for stored in IdempotencyKey.objects.all():
        assert hashlib.sha256(b"kanar-key-1").hexdigest() not in (stored.digest, stored.request), (
            "it is keyed"
        )


@pytest.mark.django_db(transaction=True)
def test_maintain_deletes_old_keys_also_if_no_client_comes_back(api: Any) -> None:
    caller = api()
    for number, session in enumerate(SessionFactory.create_batch(2, new_guest=True)):
        key = {"Idempotency-Key": f"key-{number}"}
        answer = caller.post(f"/api/v1/Sessions/{session.pk}/anonymous", headers=key)
        assert answer.status_code == 204
    old, new = IdempotencyKey.objects.order_by("pk")
    IdempotencyKey.objects.filter(pk=old.pk).update(
        created_at=timezone.now() - timedelta(days=1, seconds=1)
    )
    call_command("maintain", verbosity=0)
    assert list(IdempotencyKey.objects.all()) == [new]


def test_a_key_is_free_again_after_a_day_and_a_failure_keeps_none(api: Any) -> None:
    first, second = SessionFactory.create_batch(2, new_guest=True)
    caller, key = api(), {"headers": {"Idempotency-Key": "k"}}
    assert caller.post("/api/v1/Sessions/999999/anonymous", **key).status_code == 404
    assert not IdempotencyKey.objects.exists()
    assert caller.post(f"/api/v1/Sessions/{first.pk}/anonymous", **key).status_code == 204
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert caller.post(f"/api/v1/Sessions/{second.pk}/anonymous", **key).status_code == 204
    assert IdempotencyKey.objects.count() == 1
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    api()
    assert not IdempotencyKey.objects.exists(), "any client's next token sweeps them away"


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "ž"])
def test_a_key_that_is_none_is_refused(api: Any, key: str) -> None:
    session = SessionFactory()
    response = api().post(
        f"/api/v1/Sessions/{session.pk}/anonymous", headers={"Idempotency-Key": key}
    )
    assert response.status_code == 400
    assert list(response.json()) == ["Idempotency-Key"]


# Limits -------------------------------------------------------------------------------------------------


@pytest.fixture
def two_an_hour(settings: Any) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 2, "sessions_app.Session": 2}


@pytest.mark.usefixtures("two_an_hour")
@pytest.mark.parametrize("call", ["Guest/{guest}/anonymous", "Sessions/{session}/anonymize"])
def test_a_stolen_token_does_not_empty_the_company(api: Any, log_in: Any, call: str) -> None:
    caller, sessions = api(), SessionFactory.create_batch(4, new_guest=True)
    paths = [f"/api/v1/{call.format(guest=s.guest_id, session=s.pk)}" for s in sessions]
    assert [caller.post(path).status_code for path in paths] == [204, 204, 429, 429]
    refused = caller.post(paths[2])
    assert 3500 < int(refused.headers["Retry-After"]) <= 3601
    assert list(refused.json()) == ["detail"]
    assert besides(Session).filter(anonymized_in=None).count() == 2
    assert caller.post(paths[0]).status_code == 204, "what was done before is no new erasure"
    assert caller.post(f"{paths[3]}?dry_run=true").status_code == 200

    entry = LimitReached.objects.get()
    assert (entry.refused, entry.seen_at) == (3, None)
    administrator = log_in("administrator")
    assert f"/settings/api/{entry.client_id}/" in administrator.get("/").content.decode()
    page = administrator.get(f"/settings/api/{entry.client_id}/").content.decode()
    assert "Limit reached" in page
    administrator.post(f"/settings/api/{entry.client_id}/seen/")
    entry.refresh_from_db()
    assert entry.seen_by is not None
    assert f"/settings/api/{entry.client_id}/" not in administrator.get("/").content.decode()
    caller.post(paths[3])
    assert LimitReached.objects.filter(seen_at=None).count() == 1, (
        "what happens after that is told again"
    )


def test_a_guest_counts_whatever_call_took_them(api: Any, settings: Any) -> None:
    """When the last session is anonymized, its guest is anonymized too."""
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 2, "sessions_app.Session": 100}
    caller, sessions = api(), SessionFactory.create_batch(3, new_guest=True)
    extra, _again = SessionFactory.create_batch(2)
    statuses = [
        caller.post(f"/api/v1/Sessions/{session.pk}/anonymize").status_code for session in sessions
    ]
    assert statuses == [204, 204, 429]
    sessions[2].refresh_from_db()
    assert sessions[2].entered_name, "what was refused is rolled back"
    assert Guest.objects.exclude(anonymized_in=None).count() == 2
    assert caller.post(f"/api/v1/Guest/{sessions[2].guest_id}/anonymous").status_code == 429
    assert caller.post(f"/api/v1/Sessions/{extra.pk}/anonymize").status_code == 204, (
        "its guest has another"
    )


def test_kinds_have_limits_of_their_own_and_the_oldest_erasure_says_when_to_go_on(
    api: Any, settings: Any
) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 100, "sessions_app.Session": 1}
    caller, sessions = api(), SessionFactory.create_batch(4, new_guest=True)
    caller.post(f"/api/v1/Guest/{sessions[0].guest_id}/anonymous")
    assert caller.post(f"/api/v1/Sessions/{sessions[1].pk}/anonymous").status_code == 204
    moved = timezone.now() - timedelta(minutes=50)
    triggers.drop(connection)
    Erasure.objects.filter(kind="sessions_app.Session").update(created_at=moved)
    triggers.install(connection)
    refused = caller.post(f"/api/v1/Sessions/{sessions[2].pk}/anonymous")
    assert 500 < int(refused.headers["Retry-After"]) <= 601
    assert caller.post(f"/api/v1/Guest/{sessions[2].guest_id}/anonymous").status_code == 204


def test_what_another_door_erased_meanwhile_is_no_erasure_of_the_client(settings: Any) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 1, "sessions_app.Session": 1}
    client = ApiClientFactory()
    first, second = SessionFactory.create_batch(2, new_guest=True)
    services.erase_for(client, first)
    ErasureFactory(subject=Session.objects.get(pk=second.pk), door=Source.PAGE)
    assert services.erase_for(client, second) == 0
    assert list(Erasure.objects.order_by("number").values_list("door", flat=True)) == [
        "api",
        "page",
    ]
    assert not LimitReached.objects.exists()


def test_a_client_that_is_revoked_while_its_request_waits_erases_nothing() -> None:
    client, session = ApiClientFactory(), SessionFactory()
    services.revoke_client(client, revoked_by=None)
    with pytest.raises(services.Revoked):
        services.erase_for(client, session)
    session.refresh_from_db()
    assert session.anonymized_in is None


def test_seen_is_what_one_client_did() -> None:
    one, other = ApiClientFactory(), ApiClientFactory()
    for client in (one, other):
        client.limits_reached.create(refused=1)
    assert services.mark_limits_seen(one, seen_by=StaffFactory(role="administrator")) == 1
    assert LimitReached.objects.get(seen_at=None).client == other


@pytest.mark.usefixtures("two_an_hour")
def test_the_hour_passes_and_other_clients_are_not_stopped(api: Any, monkeypatch: Any) -> None:
    caller, sessions = api(), SessionFactory.create_batch(4, new_guest=True)
    paths = [f"/api/v1/Guest/{session.guest_id}/anonymous" for session in sessions]
    for path in paths[:2]:
        caller.post(path)
    assert caller.post(paths[2]).status_code == 429
    assert api().post(paths[2]).status_code == 204
    monkeypatch.setattr(services, "HOUR", timedelta(0))
    assert caller.post(paths[3]).status_code == 204


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_requests_at_once_do_not_pass_the_limit_together(settings: Any) -> None:
    settings.API_ERASURES_PER_HOUR = {"sessions_app.Guest": 3, "sessions_app.Session": 3}
    client, sessions = ApiClientFactory(), SessionFactory.create_batch(8, new_guest=True)
    results = at_once([partial(services.erase_for, client, session.guest) for session in sessions])
    assert sum(result == 0 for result in results) == 3
    assert sum(isinstance(result, services.TooManyErasures) for result in results) == 5
    assert Guest.objects.exclude(anonymized_in=None).count() == 3
    assert LimitReached.objects.get().refused == 5


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_one_key_at_once_is_one_claim() -> None:
    client, guest = ApiClientFactory(), SessionFactory().guest
    results = at_once([lambda: services.erase_for(client, guest, key="same") for _ in range(6)])
    assert results == [0] * 6
    assert Erasure.objects.count() == 1
    assert IdempotencyKey.objects.count() == 1


def test_answers_are_in_english_and_kept_by_nobody(api: Any) -> None:
    caller = api("read_sessions")
    response = caller.client.get(
        "/api/v1/Sessions/999999", headers={"Accept-Language": "cs", "Accept": "text/html"}
    )
    assert response.json() == {"detail": "Not found."}
    assert response.headers["Content-Type"] == "application/json"
    assert "no-store" in response.headers["Cache-Control"]


def test_no_call_logs_a_person(api: Any, caplog: Any) -> None:
    api().post("/api/v1/Guests/find", {"email": "kanar@example.com", "kanarfield": "x"})
    Client().get("/api/v1/Sessions/kanar@example.com?kanar=1")
    assert caplog.records, "the positive control"
    assert "kanar" not in caplog.text


def test_a_client_is_shown_by_its_number() -> None:
    client = ApiClientFactory(name="Jana Nováková's script")
    assert str(client) == f"API client {client.pk}"
    assert ApiClient.objects.count() == 1
