"""Consent events that were added, hidden, removed or changed with plain SQL are named."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from anonymization import runs, triggers
from anonymization.models import Erasure, Job, LastRun, LedgerState, Note
from sessions_app.evidence import events
from sessions_app.models import ConsentEvent, EvidenceAnchor, Session
from tests.factories import ErasureFactory, SessionFactory, WebChatFactory, publish_notice
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

EVENT = "sessions_app_consentevent"
ANCHOR = "sessions_app_evidenceanchor"


@pytest.fixture(autouse=True)
def _own_key(settings: Any) -> None:
    settings.EVIDENCE_KEY = "key of the evidence " * 2


def run(command: str, *arguments: str) -> str:
    printed = StringIO()
    call_command(command, *arguments, stdout=printed)
    return printed.getvalue()


def sql(statement: str, *values: Any, lifted: bool = True) -> None:
    """Execute a statement as an administrator of the database would, by default without triggers."""
    if lifted:
        triggers.drop(connection)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
    finally:
        if lifted:
            triggers.install(connection)


def refusal(command: str = "verify_ledger") -> str:
    with pytest.raises(CommandError) as refused:
        run(command)
    return str(refused.value)


@pytest.fixture
def no_form() -> Session:
    """Return a session whose form asked for no consent, next to sessions that gave it."""
    webchat = WebChatFactory()
    for _number in range(3):
        SessionFactory(webchat=webchat)
    webchat.entry_form = "none"
    webchat.save(update_fields=["entry_form"])
    return SessionFactory(webchat=webchat)


@pytest.fixture
def anchored(no_form: Session) -> list[ConsentEvent]:
    run("anchor_evidence")
    return list(ConsentEvent.objects.order_by("pk"))


def insert_given(session: Session, signature: str, pk: int | None = None) -> None:
    """Insert the event that consent was given, with plain SQL as the role of the application."""
    text = session.webchat.current_text("en")
    assert text is not None
    columns, values = "session_id, text_id, kind, day, channel, via, hmac", [
        session.pk, text.pk, "given", timezone.localdate(), session.channel, "", signature,
    ]  # fmt: skip
    if pk is not None:
        columns, values = f"id, {columns}", [pk, *values]
    marks = ", ".join(["%s"] * len(values))
    sql(f"INSERT INTO {EVENT} ({columns}) VALUES ({marks})", *values, lifted=False)


def test_genuine_evidence_is_verified_and_the_numbers_are_said(no_form: Session) -> None:
    assert (
        "The evidence of consent is genuine: 3 events. Not anchored yet: 3. "
        "Without an HMAC, from an earlier release: 0.\n"
    ) in run("verify_ledger")
    assert run("anchor_evidence") == "Anchored events: 3. Merged anchors: 0.\n"
    SessionFactory(webchat=WebChatFactory(), withdrawn=True)
    assert "5 events. Not anchored yet: 2." in run("verify_ledger")
    assert run("anchor_evidence", "--json") == '{"events": 2, "merged": 0}\n'
    assert run("anchor_evidence") == "Anchored events: 0. Merged anchors: 0.\n"
    assert EvidenceAnchor.objects.count() == 2
    notes = Erasure.objects.filter(kind=Note.EVIDENCE_ANCHORED).order_by("number")
    assert [note.subjects for note in notes] == [[a.digest] for a in EvidenceAnchor.objects.all()]
    assert [note.counts for note in notes] == [{}, {}], "the ledger has no numbers"


def test_the_hash_is_computed_as_documented(anchored: list[ConsentEvent]) -> None:
    def canonical(fields: dict[str, Any]) -> bytes:
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    events = hashlib.sha256()
    for event in anchored:
        fields = {
            "id": event.pk, "session": event.session_id, "text": event.text_id, "sha256": event.text.sha256,
            "kind": event.kind, "day": event.day.isoformat(), "channel": event.channel, "via": event.via,
            "hmac": event.hmac,
        }  # fmt: skip
        events.update(canonical(fields) + b"\n")
    anchor = EvidenceAnchor.objects.get()
    facts = {
        "first": 1, "last": anchored[-1].pk, "count": 3, "period": anchor.period.isoformat(),
        "nonce": anchor.nonce, "events": events.hexdigest(),
    }  # fmt: skip
    expected = hashlib.sha256(b"mluvii-gdpr/evidence-anchor/1\0" + canonical(facts)).hexdigest()
    assert Erasure.objects.get(kind=Note.EVIDENCE_ANCHORED).subjects == [expected]


def test_a_session_that_was_anonymized_keeps_genuine_evidence(anchored: list[ConsentEvent]) -> None:
    withdrawn = SessionFactory(webchat=WebChatFactory(), withdrawn=True)
    for session in (anchored[0].session, withdrawn):
        ErasureFactory(subject=session)
    run("anchor_evidence")
    assert "5 events. Not anchored yet: 0." in run("verify_ledger")


# Added --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["", "ab" * 32])
def test_consent_that_was_never_asked_for_is_named(no_form: Session, signature: str) -> None:
    run("anchor_evidence")
    insert_given(no_form, signature)
    forged = ConsentEvent.objects.get(session=no_form)
    said = f"Consent event {forged.pk} of session {no_form.pk}: "
    said += "its HMAC does not match" if signature else "it has no HMAC"
    assert refusal().startswith(said)
    assert refusal("anchor_evidence").startswith(said), "it is not anchored"
    assert EvidenceAnchor.objects.count() == 1
    assert runs.states()[[s.job for s in runs.states()].index(Job.EVIDENCE)].wrong == "failed"
    assert not LedgerState.objects.get().failed_at, "the ledger itself is valid"
    sql(f"DELETE FROM {EVENT} WHERE id = %s", forged.pk)
    run("anchor_evidence")
    run("verify_ledger")
    assert LastRun.objects.get(job=Job.EVIDENCE).failed_at is None


def test_the_hmac_of_another_event_is_not_enough(anchored: list[ConsentEvent]) -> None:
    no_event = Session.objects.get(consent_events=None)
    insert_given(no_event, anchored[0].hmac)
    assert "its HMAC does not match" in refusal()


def test_a_notice_is_not_consent(no_form: Session) -> None:
    """Events of earlier releases have no HMAC, but their text tells what was asked."""
    text = publish_notice(no_form.webchat).texts.first()
    assert text is not None
    sql(
        f"INSERT INTO {EVENT} (session_id, text_id, kind, day, channel) VALUES (%s, %s, %s, %s, %s)",
        no_form.pk, text.pk, "given", timezone.localdate(), "chat", lifted=False,
    )  # fmt: skip
    assert "its text is of another kind: consent was not asked for with it" in refusal()


@pytest.mark.parametrize("number", [0, 2])
def test_an_old_event_that_is_added_into_an_anchored_range_is_found(
    number: int, no_form: Session
) -> None:
    older = ConsentEvent.objects.order_by("pk").first()
    assert older is not None
    sql(f"UPDATE {EVENT} SET hmac = ''")
    if number:
        sql(f"DELETE FROM {EVENT} WHERE id = %s", older.pk)
    run("anchor_evidence")
    insert_given(no_form, "", pk=older.pk if number else -1)
    last = EvidenceAnchor.objects.get().last_id
    assert refusal() == f"Consent events 1 to {last}: 1 were added after they were anchored."


# Removed and changed -----------------------------------------------------------------------------------


def test_a_removed_event_is_found(anchored: list[ConsentEvent]) -> None:
    sql(f"DELETE FROM {EVENT} WHERE id = %s", anchored[1].pk)
    last = anchored[-1].pk
    assert refusal() == f"Consent events 1 to {last}: 1 were removed after they were anchored."


def test_a_removed_session_is_named(anchored: list[ConsentEvent]) -> None:
    # The foreign key is checked at the end of the transaction, which this test rolls back.
    event = anchored[1]
    triggers.drop(connection)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM sessions_app_session WHERE id = %s", [event.session_id])
        assert refusal() == (
            f"Consent event {event.pk} of session {event.session_id}: its session is missing."
        )
        transaction.set_rollback(True)
    triggers.install(connection)


def test_a_session_that_was_moved_to_another_webchat_is_named(
    anchored: list[ConsentEvent],
) -> None:
    session = anchored[1].session
    Session.objects.filter(pk=session.pk).update(webchat=WebChatFactory())
    assert "its text belongs to another WebChat than its session" in refusal()


CHANGES: dict[str, Any] = {
    "kind": "informed",
    "day": dt.date(2020, 1, 1),
    "channel": "av",
    "via": "link",
    "hmac": "ab" * 32,
}


@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("signed", [True, False])
def test_a_changed_event_is_named(anchored: list[ConsentEvent], column: str, signed: bool) -> None:
    event = anchored[1]
    if not signed:
        sql(f"DELETE FROM {ANCHOR}")
        sql("DELETE FROM anonymization_erasure WHERE kind = 'evidence_anchored'")
        sql(f"UPDATE {EVENT} SET hmac = ''")
        run("anchor_evidence")
    sql(f"UPDATE {EVENT} SET {column} = %s WHERE id = %s", CHANGES[column], event.pk)
    named = f"Consent event {event.pk} of session {event.session_id}: "
    found = refusal()
    if signed or column in ("kind", "hmac"):
        assert found.startswith(named)
    else:
        assert found.endswith("one was changed after they were anchored.")


def test_an_event_that_was_moved_to_another_session_is_named(anchored: list[ConsentEvent]) -> None:
    no_event = Session.objects.get(consent_events=None)
    sql(f"UPDATE {EVENT} SET session_id = %s WHERE id = %s", no_event.pk, anchored[0].pk)
    assert refusal().startswith(
        f"Consent event {anchored[0].pk} of session {no_event.pk}: its HMAC"
    )


def test_the_first_event_that_is_not_genuine_is_named(anchored: list[ConsentEvent]) -> None:
    sql(f"UPDATE {EVENT} SET via = 'x' WHERE id > %s", anchored[0].pk)
    assert refusal().startswith(f"Consent event {anchored[1].pk} ")


def test_a_signed_event_that_loses_its_hmac_is_found(anchored: list[ConsentEvent]) -> None:
    sql(f"UPDATE {EVENT} SET hmac = '' WHERE id = %s", anchored[0].pk)
    assert "one was changed after they were anchored" in refusal()


# Anchors -----------------------------------------------------------------------------------------------


@pytest.fixture
def three_anchors(anchored: list[ConsentEvent]) -> list[EvidenceAnchor]:
    for _number in range(2):
        SessionFactory(webchat=WebChatFactory())
        run("anchor_evidence")
    return list(EvidenceAnchor.objects.all())


def _remove(anchor: EvidenceAnchor) -> None:
    sql(f"DELETE FROM {ANCHOR} WHERE id = %s", anchor.pk)


def _shorten(anchor: EvidenceAnchor) -> None:
    sql(f"UPDATE {ANCHOR} SET last_id = last_id - 1, count = count - 1 WHERE id = %s", anchor.pk)


def _forge(anchor: EvidenceAnchor) -> None:
    sql(f"UPDATE {ANCHOR} SET digest = %s WHERE id = %s", "ab" * 32, anchor.pk)


def _other_key(anchor: EvidenceAnchor) -> None:
    sql(f"UPDATE {ANCHOR} SET hmac = %s WHERE id = %s", "ab" * 32, anchor.pk)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("forgery", [_remove, _shorten, _forge, _other_key])
def test_a_changed_or_removed_anchor_is_found(
    three_anchors: list[EvidenceAnchor], forgery: Callable[[EvidenceAnchor], None], place: int
) -> None:
    run("verify_ledger")
    forgery(three_anchors[place])
    refused = refusal()
    if forgery in (_remove, _forge):
        assert refused.startswith(f"record {place + 1}: evidence_anchored")
    else:
        assert re.match("Consent events|Events", refused)
    with suppress(CommandError):
        run("anchor_evidence")
    assert refusal(), "a later run does not repair it"


def test_an_anchor_that_is_not_in_the_ledger_is_found(three_anchors: list[EvidenceAnchor]) -> None:
    anchor = three_anchors[2]
    anchor.pk, anchor.first_id, anchor.last_id = None, anchor.last_id + 1, anchor.last_id
    anchor.digest = "cd" * 32
    anchor.save(force_insert=True)
    assert refusal() == "record 4: evidence_anchored: an anchor is not in the ledger"


def test_anchors_are_append_only(three_anchors: list[EvidenceAnchor]) -> None:
    for statement in (f"UPDATE {ANCHOR} SET count = 1", f"DELETE FROM {ANCHOR}"):
        with pytest.raises(IntegrityError, match="EvidenceAnchor is append-only"):
            sql(statement, lifted=False)


def test_only_the_first_anchor_covers_events_without_an_hmac(no_form: Session) -> None:
    sql(f"UPDATE {EVENT} SET hmac = ''")
    assert "Without an HMAC, from an earlier release: 3." in run("verify_ledger")
    run("anchor_evidence")
    SessionFactory(webchat=WebChatFactory())
    assert "Not anchored yet: 1. Without an HMAC, from an earlier release: 3." in run(
        "verify_ledger"
    )


def test_a_new_installation_refuses_events_without_an_hmac_from_its_first_run_on() -> None:
    assert run("anchor_evidence") == "Anchored events: 0. Merged anchors: 0.\n"
    assert EvidenceAnchor.objects.get().count == 0
    run("verify_ledger")
    session = SessionFactory(webchat=WebChatFactory())
    run("anchor_evidence")
    run("verify_ledger")
    sql(f"DELETE FROM {EVENT}")
    assert "1 were removed" in refusal()
    assert session.pk


# Periods -----------------------------------------------------------------------------------------------


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], None]]:
    """Return a function that sets the clock to noon of a day in 2026."""
    real = timezone.now

    def set_clock(month: int, day: int) -> None:
        monkeypatch.setattr(
            timezone, "now", lambda: dt.datetime(2026, month, day, 11, tzinfo=dt.UTC)
        )

    yield set_clock
    monkeypatch.setattr(timezone, "now", real)


def test_a_finished_period_has_one_anchor(on: Callable[[int, int], None], webchat: WebChat) -> None:
    for month, day in ((9, 3), (9, 4), (9, 29), (10, 1), (10, 2)):
        on(month, day)
        run("anchor_evidence")
        run("verify_ledger")
        SessionFactory(webchat=webchat)
    ids = list(ConsentEvent.objects.order_by("pk").values_list("pk", flat=True))
    run("anchor_evidence")
    found = list(EvidenceAnchor.objects.values_list("first_id", "last_id", "count", "period"))
    september, october = dt.date(2026, 9, 1), dt.date(2026, 10, 1)
    # The event of 29 September was stored after the run of that night.
    assert found == [
        (1, ids[2], 3, september),
        (ids[2] + 1, ids[3], 1, october),
        (ids[3] + 1, ids[4], 1, october),
    ]
    assert "Not anchored yet: 0" in run("verify_ledger")
    on(11, 20)
    assert run("anchor_evidence") == "Anchored events: 0. Merged anchors: 2.\n"
    assert EvidenceAnchor.objects.count() == 2
    run("verify_ledger")
    sql(f"DELETE FROM {EVENT} WHERE id = %s", ids[1])
    assert refusal() == f"Consent events 1 to {ids[2]}: 1 were removed after they were anchored."


def test_a_forgery_is_not_merged_away(on: Callable[[int, int], None], webchat: WebChat) -> None:
    on(9, 3)
    for _number in range(2):
        SessionFactory(webchat=webchat)
        run("anchor_evidence")
    first = ConsentEvent.objects.order_by("pk").first()
    assert first is not None
    sql(f"DELETE FROM {EVENT} WHERE id = %s", first.pk)
    on(10, 1)
    assert "1 were removed" in refusal("anchor_evidence")
    assert EvidenceAnchor.objects.count() == 2


def test_the_first_run_after_an_upgrade_anchors_each_period(
    on: Callable[[int, int], None], webchat: WebChat
) -> None:
    for month in (8, 9, 9, 10):
        on(month, 5)
        SessionFactory(webchat=webchat)
    sql(f"UPDATE {EVENT} SET hmac = ''")
    run("anchor_evidence")
    assert [(a.period.month, a.count) for a in EvidenceAnchor.objects.all()] == [
        (8, 1), (9, 2), (10, 1),
    ]  # fmt: skip
    run("verify_ledger")


def test_a_clock_that_was_ahead_does_not_stop_the_anchors(
    on: Callable[[int, int], None], webchat: WebChat
) -> None:
    for month in (9, 11, 10, 10):
        on(month, 5)
        SessionFactory(webchat=webchat)
        run("anchor_evidence")
        run("verify_ledger")
    on(12, 5)
    assert "Merged anchors: 3." in run("anchor_evidence")
    assert [(a.period.month, a.count) for a in EvidenceAnchor.objects.all()] == [(9, 1), (11, 3)]


def test_events_are_read_in_chunks(
    monkeypatch: pytest.MonkeyPatch, anchored: list[ConsentEvent], django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(events, "CHUNK", 2)
    with django_assert_num_queries(3):
        read = list(events.read(after=0, to=None))
    assert [event.id for event in read] == [event.pk for event in anchored]
    assert "3 events" in run("verify_ledger")


# Withdrawals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("anchor", [True, False])
def test_a_hidden_withdrawal_is_named(anchor: bool, webchat: WebChat) -> None:
    session = SessionFactory(webchat=webchat, withdrawn=True)
    if anchor:
        run("anchor_evidence")
    run("verify_ledger")
    sql("UPDATE sessions_app_session SET withdrawn_at = NULL WHERE id = %s", session.pk)
    assert refusal() == (
        f"Session {session.pk}: its consent was withdrawn, but the session does not say so."
    )


def test_a_withdrawal_without_an_event_is_named(webchat: WebChat) -> None:
    session = SessionFactory(webchat=webchat)
    Session.objects.filter(pk=session.pk).update(withdrawn_at=timezone.now())
    assert (
        refusal() == f"Session {session.pk}: it says that consent was withdrawn, but no event does."
    )


def test_a_withdrawal_of_what_was_never_given_is_named(webchat: WebChat) -> None:
    session = SessionFactory(webchat=webchat, withdrawn=True)
    sql(f"DELETE FROM {EVENT} WHERE kind = 'given'")
    assert refusal() == f"Session {session.pk}: its consent was withdrawn, but never given."
