"""Test that programs written for mluvii work when only URL, client ID and secret are changed.

The requests are sent to gunicorn over HTTP, byte for byte as these programs send them. The answers
are decoded as these programs decode them: an unexpected null, an enumeration as a number, or
another date format would break them.
"""

from __future__ import annotations

import http.client
import json
import re
import uuid
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from api.models import ApiClient
from sessions_app import conversation
from sessions_app.models import Guest, Party, Session
from tests.factories import ApiClientFactory, SessionFactory, StaffFactory, WebChatFactory
from tests.server import Server

pytestmark = pytest.mark.django_db(transaction=True)

#: Fields that are never null, from the published models.
NEVER_NULL = (
    "id companyId departmentId channel source status avSupport isDirectChat created blacklisted autoAccepted "
    "guestLeftSession guest operators reviewers activities tags chatbots recordings"
).split()
GUEST_NEVER_NULL = ["tempId", "os", "browser", "callParams"]
ENUMS = {
    "channel": {"Chat", "AV", "Phone"},
    "source": set(
        "Default Callback Invitation ChatInvitation IncomingCall OutgoingCall Campaign API".split()
    ),
    "status": set("CREATED IN_QUEUE WAITING ACTIVE ACW BCW CLOSED BLACKLISTED".split()),
    "avSupport": {"WEB_RTC", "FLASH_ONLY", "NONE"},
    "guestLeftSession": set(
        "LeftQueue LeftSession LeftAfterSession StillConnected LeftBeforeQueue".split()
    ),
}
GUEST_ENUMS = {
    "os": set("OTHER WINDOWS OSX LINUX ANDROID IOS".split()),
    "browser": set("OTHER CHROME OPERA FF SAFARI EDGE CHROMIUM_EDGE".split()),
}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ISO_DURATION = re.compile(r"PT(?=\d)(\d+H)?(\d+M)?(\d+S)?")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Program:
    """Sends lines and headers exactly as they are written here."""

    def __init__(self, server: Server, client: ApiClient) -> None:
        self.server, self.client = server, client

    def send(self, method: str, path: str, headers: dict[str, str], body: str = "") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode() or None)
        response = connection.getresponse()
        answer = Answer(
            response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        )
        connection.close()
        return answer

    def token(self, form: str, **headers: str) -> dict[str, Any]:
        body = form.format(id=self.client.client_id, secret=self.client.secret)
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
            **headers,
        }
        answer = self.send("POST", "/login/connect/token", sent, body)
        assert answer.status == 200, answer.body
        token: dict[str, Any] = answer.json()
        return token


@pytest.fixture
def program(server: Server) -> Program:
    return Program(server, ApiClientFactory())


@pytest.fixture
def sessions() -> list[int]:
    """Return a waiting, an active, an ended and an anonymized session."""
    shared = {"webchat": WebChatFactory(name="Shop Prague"), "new_guest": True}
    taken = shared | {"operator": StaffFactory(), "messages": ["Hello"]}
    waiting, active = SessionFactory(**shared), SessionFactory(**taken, showroom=True)
    ended, anonymized = (
        SessionFactory(**taken),
        SessionFactory(**taken, showroom=True, anonymized=True),
    )
    conversation.end_session(ended, by=Party.OPERATOR)
    return [session.pk for session in (waiting, active, ended, anonymized)]


def test_the_official_r_client(program: Program, sessions: list[int]) -> None:
    token = program.token(
        "response_type=token&grant_type=client_credentials&client_id={id}&client_secret={secret}",
        Accept="application/json, text/xml, application/xml, */*",
    )
    today, headers = datetime.now(), {"Authorization": f"Bearer {token['access_token']}"}
    period = f"created.min={today.year - 1}-{today.month:02}-01&created.max={today.year + 1}-01-01"
    answer = program.send("GET", f"/api/v1/Sessions?{period}&limit=5000", headers)
    rows = answer.json()
    assert answer.status == 200
    assert isinstance(rows, list)
    assert len(rows) == 4
    for row in rows:
        assert row["widget"] == "Shop Prague"
        assert RFC3339.fullmatch(row["enteredQueue"])
        assert "waited" in row
        assert row["guest"]["browser"] in GUEST_ENUMS["browser"]


def test_the_official_go_client(program: Program, sessions: list[int]) -> None:
    """This program is generated. It decodes numbers, UUIDs, times and errors by their types."""
    token = program.token("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    headers = {"Authorization": f"Bearer {token['access_token']}", "Accept": "application/json"}
    for row in program.send("GET", "/api/v1/Sessions", headers).json():
        assert type(row["id"]) is type(row["companyId"]) is type(row["departmentId"]) is int
        assert row["guest"]["trackedId"] is None or uuid.UUID(row["guest"]["trackedId"])
        for name in ("created", "enteredQueue", "guestJoined", "started", "ended"):
            assert row[name] is None or (
                RFC3339.fullmatch(row[name]) and datetime.fromisoformat(row[name])
            )
        for name in ("waited", "duration", "length"):
            assert row[name] is None or ISO_DURATION.fullmatch(row[name])
    one = program.send("GET", f"/api/v1/Sessions/{sessions[0]}", headers).json()
    assert one["id"] == sessions[0]
    wrong = program.send("GET", "/api/v1/Sessions?Limit=x&Channel=Fax&Colour=red", headers)
    assert wrong.status == 400
    assert set(wrong.json()) == {"Limit", "Channel", "Colour"}
    assert all(isinstance(message, str) for message in wrong.json().values())


def test_the_c_sharp_clients(program: Program, sessions: list[int]) -> None:
    """These programs fail on a null in a required field, and on an unknown enumeration value."""
    token = program.token(
        "grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=mluviiPublicApi"
    )
    assert token["expires_in"] - 300 > 0, "one renews its token five minutes before the end"
    assert token["token_type"] == "Bearer"
    headers = {"authorization": f"bearer {token['access_token']}"}
    closed = program.send("GET", "/api/v1/Sessions?status=CLOSED&limit=10000", headers).json()
    assert {row["id"] for row in closed} == set(sessions[2:])
    exact = program.send(
        "GET", "/API/V1/sessions/?created.min=2026-01-01T00:00:00.0000000Z", headers
    ).json()
    assert len(exact) == 4
    for row in exact:
        assert [name for name in NEVER_NULL if row[name] is None] == []
        assert [name for name in GUEST_NEVER_NULL if row["guest"][name] is None] == []
        assert [name for name, words in ENUMS.items() if row[name] not in words] == []
        assert [
            name for name, words in GUEST_ENUMS.items() if row["guest"][name] not in words
        ] == []
        for operator in row["operators"]:
            assert isinstance(operator["userId"], int)
            assert RFC3339.fullmatch(operator["joined"])
        for line in row["activities"]:
            assert (line["type"], line["client"]) == ("ChatMessage", "Guest")
            assert RFC3339.fullmatch(line["time"])


def test_the_client_that_anonymizes(program: Program, sessions: list[int]) -> None:
    """This program sends no body and no Content-Type, and repeats unconfirmed calls."""
    token = program.token("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    empty = headers | {"Content-Length": "0"}
    for _attempt in range(2):
        answer = program.send("POST", f"/api/v1/Sessions/{sessions[0]}/anonymize", empty)
        assert (answer.status, answer.body) == (204, b"")
    assert Session.objects.get(pk=sessions[0]).entered_name == ""
    after = program.send("GET", f"/api/v1/Sessions/{sessions[0]}", headers).json()
    assert (after["guest"]["callParams"], after["activities"], after["guest"]["gdprVersion"]) == (
        {},
        [],
        "1/en",
    )
    # This request has no Content-Length, and the documented spelling.
    guest = Session.objects.get(pk=sessions[1]).guest_id
    assert program.send("POST", f"/api/v1/Guest/{guest}/anonymous", headers).status == 204
    assert Guest.objects.get(pk=guest).name == ""
    for method in ("GET", "HEAD"):
        refused = program.send(method, f"/api/v1/Sessions/{sessions[2]}/anonymize", headers)
        assert (refused.status, refused.headers["allow"]) == (405, "POST, PUT")
    assert Session.objects.get(pk=sessions[2]).anonymized_in is None


def test_nothing_is_redirected(program: Program, sessions: list[int]) -> None:
    token = program.token("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    for path in (
        "Sessions",
        "sessions/",
        f"SESSIONS/{sessions[0]}",
        f"Sessions/{sessions[0]}/",
        "Guests/999/",
    ):
        assert program.send("GET", f"/api/v1/{path}", headers).status in {200, 404}
    for path in ("Sessions", "nothing", ""):
        answer = program.send("GET", f"/api/v1/{path}", {})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')


def test_a_body_in_chunks_is_read(program: Program, sessions: list[int]) -> None:
    """.NET sends JSON in chunks, without a length."""
    token = program.token("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Content-Type": "application/json; charset=utf-8",
        "Transfer-Encoding": "chunked",
    }
    text = '{"email": "guest0@example.com"}'
    found = program.send(
        "POST", "/api/v1/Guests/find", headers, f"{len(text):x}\r\n{text}\r\n0\r\n\r\n"
    )
    assert [row["matches"] for row in found.json()] == [["email"]]
    part = f"{2**20:x}\r\n{'x' * 2**20}\r\n"
    huge = program.send("POST", "/api/v1/Guests/find", headers, part * 3 + "0\r\n\r\n")
    assert huge.status == 413
