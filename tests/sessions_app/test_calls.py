"""Test the signals of video calls: access, direction, limits and deletion."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from sessions_app import calls, consent, conversation, streams
from sessions_app.calls import ice_servers
from sessions_app.forms import SignalForm
from sessions_app.models import Channel, Party, Session, Signal
from sessions_app.streams import Cursor, Watch
from tests.factories import ErasureFactory, SessionFactory, StaffFactory, WebChatFactory
from tests.pages import LogIn, entry_url, submit
from webchat.models import WebChat

pytestmark = pytest.mark.django_db

DENIED = "camera=(), display-capture=(), geolocation=(), microphone=()"
ALLOWED = "camera=(self), display-capture=(), geolocation=(), microphone=(self)"
#: Addresses in the format of browsers.
CANDIDATE = json.dumps({"candidate": {"candidate": "candidate:1 1 udp 1 203.0.113.199 9 typ host"}})


@pytest.fixture
def turn(settings: Any) -> None:
    settings.ICE_SERVERS = ["stun:stun.example.com", "turn:turn.example.com:3478"]
    settings.TURN_SECRET = "Kassiopeia"


@pytest.fixture
def room(client: Client) -> str:
    return submit(client, WebChatFactory(), showroom=True).headers["Location"]


def send(
    client: Client, room: str, kind: str = "candidate", body: str = CANDIDATE, **fields: Any
) -> int:
    return client.post(f"{room}signal/", {"kind": kind, "body": body, **fields}).status_code


def taken(operator: User) -> Session:
    session = Session.objects.get(channel=Channel.AV)
    conversation.accept_session(session, operator=operator)
    return session


def signal(session: Session, *, sender: Party = Party.VISITOR, kind: str = "candidate") -> Signal:
    return calls.post_signal(session, sender=sender, kind=kind, body=CANDIDATE)


# The gate -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("turn")
def test_before_the_gate_there_is_nothing_of_a_call(client: Client, webchat: WebChat) -> None:
    """No answer contains signaling, servers, credentials or camera access before the gate."""
    base = entry_url(webchat, showroom=True)
    answers = [client.get(base), submit(client, webchat, showroom=True, consent=None)]
    answers += [client.get(f"{base}{name}/") for name in ("signal", "ice")]
    assert [answer.status_code for answer in answers] == [200, 422, 404, 404]
    for answer in answers:
        page = answer.content.decode()
        for trace in ("turn.example.com", "/signal/", "/ice/", "data-call", "call.js"):
            assert trace not in page
        assert answer.headers["Permissions-Policy"] == DENIED
    assert "showroom-self" in answers[0].content.decode(), "the place of one's own picture"

    room = submit(client, webchat, showroom=True).headers["Location"]
    page = client.get(room)
    assert f'data-signals="{room}signal/"' in page.content.decode(), "the control"
    assert "turn.example.com" not in page.content.decode(), "not even then in a page"
    assert page.headers["Permissions-Policy"] == ALLOWED
    servers = client.get(f"{room}ice/")
    assert "turn.example.com" in servers.content.decode()
    assert "no-store" in servers.headers["Cache-Control"]


def test_devices_are_for_pages_of_calls(client: Client, log_in: LogIn, room: str) -> None:
    call, chat = Session.objects.get(), SessionFactory(new_guest=True)
    operator = log_in("operator")
    page = operator.get(f"/sessions/{call.pk}/")
    assert page.headers["Permissions-Policy"] == DENIED
    assert b"data-call" not in page.content, "nobody has taken it yet"
    operator.post(f"/sessions/{call.pk}/accept/")
    page = operator.get(f"/sessions/{call.pk}/")
    assert page.headers["Permissions-Policy"] == ALLOWED
    assert b"data-call" in page.content
    others = [
        operator.get(f"/sessions/{chat.pk}/"),
        log_in("superuser").get(f"/sessions/{call.pk}/"),
        client.get(f"{room}transcript/"),
        client.get("/livez"),
        client.get("/nothing/"),
    ]
    conversation.end_session(call, by=Party.VISITOR)
    others += [client.get(room), operator.get(f"/sessions/{call.pk}/")]
    assert {answer.headers["Permissions-Policy"] for answer in others} == {DENIED}
    assert not any(b"data-call" in answer.content for answer in others)


def test_a_credential_is_what_coturn_computes_and_names_nobody(settings: Any, turn: None) -> None:
    stun, turn_ = ice_servers(1_000_000)
    assert stun == {"urls": ["stun:stun.example.com"]}
    assert (turn_["urls"], turn_["username"]) == (["turn:turn.example.com:3478"], "1003600")
    expected = hmac.new(b"Kassiopeia", b"1003600", "sha1").digest()
    assert base64.b64decode(turn_["credential"]) == expected
    settings.ICE_SERVERS = []
    assert ice_servers(0) == []


# Signals --------------------------------------------------------------------------------------------------


def test_each_side_reads_what_the_other_has_sent(client: Client, log_in: LogIn, room: str) -> None:
    operator = log_in("operator")
    session = Session.objects.get()
    page = f"/sessions/{session.pk}/"
    assert send(operator, page) == operator.get(f"{page}ice/").status_code == 409, "not taken yet"
    operator.post(f"{page}accept/")
    assert (
        send(client, room, "ready")
        == send(operator, page, "offer")
        == send(client, room, "answer")
        == 204
    )

    def read(who: Client, where: str, after: Any = 0) -> list[str]:
        answer = who.get(f"{where}signal/", {"after": after})
        assert "no-store" in answer.headers["Cache-Control"]
        return [found["kind"] for found in answer.json()["signals"]]

    assert read(operator, page) == ["ready", "answer"]
    # The own side sent "ready" too, because another tab has taken over the call.
    assert read(client, room) == ["ready", "offer"]
    first = Signal.objects.earliest("pk").pk
    assert read(client, room, first) == ["offer"]
    assert read(client, room, "x") == read(client, room, "9" * 30) == ["ready", "offer"]
    assert client.get(f"{room}signal/").json()["signals"][1]["body"] == CANDIDATE


def test_a_stream_tells_of_a_signal_and_not_what_it_is(room: str) -> None:
    operator = StaffFactory()
    session = taken(operator)
    key = session.room_key or ""
    visitors, operators = (
        Watch(side, session.pk, Cursor.of(session, []), token="a" * 64, room_key=key)
        for side in (Party.VISITOR, Party.OPERATOR)
    )
    streams.read([visitors, operators])
    sent = signal(session)
    ((watch, (event,)),) = streams.read([visitors, operators])
    assert watch is operators
    assert (event.name, event.data) == ("signal", str(sent.pk))


def test_a_page_that_is_loaded_again_begins_behind_what_was_sent(client: Client, room: str) -> None:
    session = Session.objects.get()
    sent = signal(session, sender=Party.OPERATOR)
    page = client.get(room)
    assert f'data-seen="{sent.pk}"' in page.content.decode()
    assert client.get(f"{room}signal/", {"after": sent.pk}).json() == {"signals": []}
    cursor = page.context["cursor"]
    assert streams.read([Watch(Party.VISITOR, session.pk, cursor)]) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kind": "offer", "body": "{}"}, 204),
        ({"kind": "offer", "body": json.dumps({"sdp": "x" * 19_000})}, 204),
        ({"kind": "offer", "body": json.dumps({"sdp": "x" * 20_000})}, 422),
        ({"kind": "offer", "body": "x" * 200_000}, 413),
        ({"kind": "offer", "body": "[" * 20_000}, 422),
        ({"kind": "offer", "body": "{"}, 422),
        ({"kind": "offer", "body": "[]"}, 422),
        ({"kind": "offer", "body": '{"a": "\0"}'}, 422),
        ({"kind": "offer", "body": '{"a": "\\u0000 \\ud800"}'}, 204),
        ({"kind": "offer", "body": '{"a": NaN}'}, 422),
        ({"kind": "offer", "body": '{"a": [Infinity]}'}, 422),
        ({"kind": "offer", "body": '{"a": -Infinity}'}, 422),
        ({"kind": "offer", "body": '{"a": 1e999}'}, 204),
        ({"kind": "offer"}, 422),
        ({"kind": "gossip", "body": "{}"}, 422),
        ({"body": "{}"}, 422),
        ({"kind": "connected"}, 422),
        ({"kind": "connected", "seen": "-1"}, 422),
        ({"kind": "connected", "seen": "9" * 30}, 422),
        ({"kind": "connected", "seen": "0"}, 204),
    ],
)
def test_an_invalid_signal_is_refused(
    client: Client, room: str, fields: dict[str, str], status: int
) -> None:
    assert client.post(f"{room}signal/", fields).status_code == status
    assert Signal.objects.count() == (status == 204 and fields["kind"] != "connected")


def test_half_of_a_surrogate_pair_is_refused_wherever_it_is_decoded(
    client: Client, room: str
) -> None:
    """A body is always read as UTF-8, whatever charset it declares. The form checks it too."""
    assert SignalForm({"kind": "offer", "body": '{"a": "\U0001f980"}'}).is_valid()
    assert not SignalForm({"kind": "offer", "body": '{"a": "\ud800"}'}).is_valid()
    fields = {"kind": "offer", "body": '{"a": "\ud800"}'}
    sent = b"".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + value.encode("utf-7", "surrogatepass")
        + b"\r\n"
        for name, value in fields.items()
    )
    kind = "multipart/form-data; boundary=B; charset=utf-7"
    assert (
        client.post(f"{room}signal/", data=sent + b"--B--\r\n", content_type=kind).status_code
        == 204
    )
    assert "\ud800" not in Signal.objects.get().body


def test_only_an_open_call_has_signals(client: Client, room: str) -> None:
    chat = submit(client, WebChatFactory(), email="petr@example.com").headers["Location"]
    assert send(client, chat) == client.get(f"{chat}ice/").status_code == 404
    assert client.get(f"{chat}signal/").status_code == 404
    assert not Signal.objects.exists()
    assert (send(client, room), client.get(f"{room}ice/").status_code) == (204, 200), "the control"
    assert client.get(f"{room}signal/").status_code == 200
    assert Signal.objects.get().body == CANDIDATE
    client.post(f"{room}leave/")
    assert send(client, room) == client.get(f"{room}ice/").status_code == 409
    assert client.get(f"{room}signal/").status_code == 409
    assert not Signal.objects.exists()


# How long they live ---------------------------------------------------------------------------------------


def test_who_is_connected_lets_go_of_what_they_have_read(client: Client, room: str) -> None:
    session = Session.objects.get()
    read, mine = signal(session, sender=Party.OPERATOR), signal(session)
    later = signal(session, sender=Party.OPERATOR, kind="offer")
    assert send(client, room, "connected", seen=read.pk) == 204
    assert set(Signal.objects.all()) == {mine, later}


@pytest.mark.parametrize("end", ["end", "withdrawal", "handed back", "session", "guest"])
def test_nothing_of_a_call_outlives_it(room: str, end: str) -> None:
    operator = StaffFactory()
    session = taken(operator)
    bystander = signal(SessionFactory(new_guest=True, showroom=True))
    signal(session)
    assert Signal.objects.count() == 2
    if end == "end":
        conversation.end_session(session, by=Party.VISITOR)
    elif end == "withdrawal":
        consent.withdraw_consent(session)
    elif end == "handed back":
        conversation.release_session(session, operator=operator)
    else:
        record = ErasureFactory(subject=session.guest if end == "guest" else session)
        assert record.counts["sessions_app.Signal"] == 1
    assert list(Signal.objects.all()) == [bystander]


def age(row: Signal, minutes: int) -> None:
    Signal.objects.filter(pk=row.pk).update(at=timezone.now() - timedelta(minutes=minutes))


def test_old_signals_are_deleted_by_cron(room: str, capsys: Any) -> None:
    session, other = Session.objects.get(), SessionFactory(new_guest=True, showroom=True)
    old, young, others = signal(session), signal(session), signal(other)
    for row, minutes in ((old, 6), (young, 4), (others, 6)):
        age(row, minutes)
    call_command("delete_old_signals", dry_run=True)
    assert set(Signal.objects.all()) == {old, young, others}
    call_command("delete_old_signals")
    assert set(Signal.objects.all()) == {young}
    call_command("delete_old_signals", json=True)
    said = 'Would delete: 2.\nDeleted: 2.\n{"result": "deleted", "signals": 0}\n'
    assert capsys.readouterr().out == said


def test_old_signals_are_deleted_with_the_next_signal_without_cron(
    client: Client, room: str
) -> None:
    session, other = Session.objects.get(), SessionFactory(new_guest=True, showroom=True)
    old, young, own = signal(other), signal(other), signal(session)
    for row in (old, own):
        age(row, 6)
    assert {old, own} < set(Signal.objects.all())
    assert send(client, room) == 204
    assert set(other.signals.all()) == {young}
    assert own not in session.signals.all()


def test_a_session_holds_a_hundred(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_SIGNALS", 3)
    session = Session.objects.get()
    sent = [signal(session) for _ in range(5)]
    assert list(Signal.objects.all()) == sent[2:]
