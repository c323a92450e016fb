"""Each consent event carries an HMAC over what it says, with a key that is not in the database."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from mluvii_gdpr.checks import check_evidence_key
from sessions_app.consent import store_evidence
from sessions_app.evidence import signatures
from sessions_app.evidence.signatures import Statement, is_event_signed, sign_event
from sessions_app.models import ConsentEvent
from tests.database import dump
from tests.factories import SessionFactory, WebChatFactory, publish_notice
from webchat.models import WebChat

KEYS = ("first evidence key " * 2, "second evidence key " * 2)
STATEMENT = Statement(
    session=7,
    text=3,
    sha256="ab" * 32,
    kind="given",
    day="2026-12-01",
    channel="chat",
    via="",
)
#: Another value of each signed field.
OTHER = {
    "session": 8,
    "text": 4,
    "sha256": "cd" * 32,
    "kind": "withdrawn",
    "day": "2026-11-01",
    "channel": "av",
    "via": "link",
}


def statement_of(event: ConsentEvent) -> Statement:
    return Statement(
        event.session_id,
        event.text_id,
        event.text.sha256,
        event.kind,
        event.day.isoformat(),
        event.channel,
        event.via,
    )


@pytest.mark.django_db
def test_gate_and_withdrawal_sign_their_events(settings: Any) -> None:
    settings.EVIDENCE_KEY = KEYS[0]
    session = SessionFactory(withdrawn=True)
    webchat = WebChatFactory(entry_form="standard")
    publish_notice(webchat)
    notice = SessionFactory(webchat=webchat)
    events = [*session.consent_events.all(), *notice.consent_events.all()]
    assert [event.kind for event in events] == ["given", "withdrawn", "informed"]
    assert all(is_event_signed(statement_of(event), event.hmac) for event in events)
    assert len({event.hmac for event in events}) == 3
    settings.EVIDENCE_KEY = KEYS[1]
    assert not any(is_event_signed(statement_of(event), event.hmac) for event in events)
    assert KEYS[0] not in dump()


def test_the_hmac_covers_each_field() -> None:
    assert set(OTHER) == set(Statement._fields)
    signature = sign_event(STATEMENT)
    assert is_event_signed(STATEMENT, signature)
    for name, value in OTHER.items():
        assert not is_event_signed(STATEMENT._replace(**{name: value}), signature), name
    assert not is_event_signed(STATEMENT, "")
    assert not is_event_signed(STATEMENT, signatures.sign_anchor(STATEMENT.canonical.decode()))


def test_the_documented_format_does_not_change(settings: Any) -> None:
    settings.EVIDENCE_KEY = KEYS[0]
    assert sign_event(STATEMENT) == (
        "142ac522c2ccaf9db345053f7fb712b0ee6c700566306e48e627b3e67e638460"
    )


def test_former_keys_verify_and_only_the_newest_signs(settings: Any) -> None:
    settings.SECRET_KEY = secret = "secret " * 10
    settings.EVIDENCE_KEY, settings.EVIDENCE_KEY_FALLBACKS = "", []
    with_secret_key = sign_event(STATEMENT)
    settings.EVIDENCE_KEY = KEYS[0]
    first = sign_event(STATEMENT)
    assert first != with_secret_key
    assert is_event_signed(STATEMENT, with_secret_key), "an installation that sets the key later"
    settings.EVIDENCE_KEY, settings.EVIDENCE_KEY_FALLBACKS = KEYS[1], [KEYS[0]]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 10, [secret]
    assert sign_event(STATEMENT) not in (first, with_secret_key)
    assert is_event_signed(STATEMENT, first)
    assert is_event_signed(STATEMENT, with_secret_key)
    settings.EVIDENCE_KEY_FALLBACKS, settings.SECRET_KEY_FALLBACKS = [], []
    assert not is_event_signed(STATEMENT, first)
    assert not is_event_signed(STATEMENT, with_secret_key)
    settings.EVIDENCE_KEY_FALLBACKS = [secret]
    assert is_event_signed(STATEMENT, with_secret_key), "a former SECRET_KEY is such a key too"


@pytest.mark.django_db
def test_a_change_of_secret_key_by_the_book_keeps_the_evidence(settings: Any) -> None:
    """EVIDENCE_KEY was set after the first event, and SECRET_KEY changes afterwards."""
    settings.EVIDENCE_KEY, settings.EVIDENCE_KEY_FALLBACKS = "", []
    SessionFactory()
    call_command("anchor_evidence", stdout=StringIO())
    settings.EVIDENCE_KEY = "set later than the first event " * 2
    former, settings.SECRET_KEY = settings.SECRET_KEY, "the next key " * 5
    said = (
        r"the anchor was not made with one of the keys\. If a key was changed, add the former one"
    )
    for command in ("verify_ledger", "anchor_evidence"):
        with pytest.raises(CommandError, match=said):
            call_command(command, stdout=StringIO())
    settings.EVIDENCE_KEY_FALLBACKS = [former]
    call_command("verify_ledger", stdout=StringIO())


@pytest.mark.django_db
def test_a_first_anchor_without_events_is_named_so(settings: Any) -> None:
    call_command("anchor_evidence", stdout=StringIO())
    settings.EVIDENCE_KEY, settings.SECRET_KEY = "another " * 8, "and another " * 5
    with pytest.raises(CommandError, match=r"^First anchor, made before any consent event: "):
        call_command("verify_ledger", stdout=StringIO())


@pytest.mark.django_db
def test_signing_adds_no_query(
    django_assert_num_queries: DjangoAssertNumQueries, webchat: WebChat
) -> None:
    webchat.entry_form = "none"
    webchat.save(update_fields=["entry_form"])
    session, text = SessionFactory(webchat=webchat), webchat.current_text("en")
    with django_assert_num_queries(1):
        store_evidence(session, text, ConsentEvent.Kind.GIVEN, at=session.created_at)


@pytest.mark.parametrize(
    ("key", "warned"), [("", True), ("the secret key", True), (KEYS[0], False)]
)
def test_a_production_without_the_key_is_warned(settings: Any, key: str, warned: bool) -> None:
    settings.SECRET_KEY = "the secret key"
    settings.EVIDENCE_KEY = key
    assert [message.id for message in check_evidence_key(None)] == ["mluvii_gdpr.W003"] * warned
