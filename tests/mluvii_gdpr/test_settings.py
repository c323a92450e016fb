"""Settings that can't be right stop the start with a sentence that names them."""

from __future__ import annotations

import datetime as dt
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Return what the settings module makes of the environment, apart from the settings in use."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(Path(settings.BASE_DIR) / "mluvii_gdpr" / "settings.py"))


@pytest.mark.parametrize("value", ["-1", "0", "x", "", "1.5"])
@pytest.mark.parametrize(
    "name", ["TICKET_MAX_AGE", "ATTACHMENT_MAX_BYTES", "MESSAGE_MAX_LENGTH", "DATABASE_POOL"]
)
def test_a_number_below_one_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must be a whole number, 1 or more"):
        load(monkeypatch, DATABASE_URL="postgres://a@localhost/b", **{name: value})


def test_no_proxy_is_right_and_fewer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, TRUSTED_PROXIES="0")["TRUSTED_PROXIES"] == 0
    with pytest.raises(ImproperlyConfigured, match=r"^TRUSTED_PROXIES must be a whole number, 0 or more"):
        load(monkeypatch, TRUSTED_PROXIES="-1")


def test_large_uploads_wait_in_a_folder_that_nobody_else_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(load(monkeypatch, FILE_UPLOAD_TEMP_DIR="")["FILE_UPLOAD_TEMP_DIR"])
    assert (folder.parent, folder.stat().st_mode & 0o777) == (settings.VAR_DIR, 0o700)
    assert load(monkeypatch, FILE_UPLOAD_TEMP_DIR="/srv/tmp")["FILE_UPLOAD_TEMP_DIR"] == "/srv/tmp"


@pytest.mark.parametrize(("value", "day"), [("", None), ("2026-03-01", dt.date(2026, 3, 1))])
def test_the_day_of_the_agreement(monkeypatch: pytest.MonkeyPatch, value: str, day: dt.date | None) -> None:
    assert load(monkeypatch, DPA_SIGNED_ON=value)["DPA_SIGNED_ON"] == day


@pytest.mark.parametrize("value", ["1 March 2026", "2026-02-30", "01.03.2026", "soon"])
def test_what_is_no_day_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DPA_SIGNED_ON must be a date such as 2026-03-01"):
        load(monkeypatch, DPA_SIGNED_ON=value)


@pytest.mark.parametrize(
    ("url", "sources"),
    [
        ("", ["'self'"]),
        ("https://chat.example.com:8001/events/", ["'self'", "https://chat.example.com:8001"]),
        ("http://{host}:8001/events/", ["'self'", "http://localhost:8001", "http://*.example.com:8001"]),
    ],
)
def test_pages_may_connect_to_the_event_streams(
    monkeypatch: pytest.MonkeyPatch, url: str, sources: list[str]
) -> None:
    loaded = load(
        monkeypatch,
        EVENTS_URL=url,
        EVENTS_ORIGINS="http://{host}:8000",
        ALLOWED_HOSTS="localhost,[::1],.example.com",
    )
    assert loaded["EVENTS_URL"] == (url or "/events/")
    assert loaded["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["connect-src"] == sources
    assert loaded["EVENTS_ORIGINS"] == ["http://localhost:8000", "http://*.example.com:8000"]


@pytest.mark.parametrize(
    "url", ["events/", "/stream/", "https://chat.example.com/", "javascript:x/events/", "//x/events/"]
)
def test_what_is_no_address_of_event_streams_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^EVENTS_URL must be empty, or such as"):
        load(monkeypatch, EVENTS_URL=url)


@pytest.mark.parametrize(
    ("servers", "secret"),
    [
        ("", ""),
        ("stun:stun.example.com", ""),
        ("stuns:stun.example.com,turn:203.0.113.9:3478?transport=udp,turns:turn.example.com:443", "x"),
    ],
)
def test_servers_of_calls(monkeypatch: pytest.MonkeyPatch, servers: str, secret: str) -> None:
    loaded = load(monkeypatch, ICE_SERVERS=servers, TURN_SECRET=secret)
    assert loaded["ICE_SERVERS"] == [url for url in servers.split(",") if url]


@pytest.mark.parametrize(
    ("servers", "secret", "named"),
    [
        ("https://turn.example.com", "x", "ICE_SERVERS"),
        ("turn:", "x", "ICE_SERVERS"),
        # RTCPeerConnection throws at it (RFC 7064 knows no transport), and so would every call.
        ("stun:stun.example.com?transport=udp", "", "ICE_SERVERS"),
        ("stuns:stun.example.com:5349?transport=tcp,turn:turn.example.com", "x", "ICE_SERVERS"),
        ("turn:turn.example.com", "", "TURN_SECRET"),
        ("stun:stun.example.com", "x", "TURN_SECRET"),
        ("", "x", "TURN_SECRET"),
    ],
)
def test_a_turn_server_has_a_secret_and_nothing_else_has(
    monkeypatch: pytest.MonkeyPatch, servers: str, secret: str, named: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{named} must be"):
        load(monkeypatch, ICE_SERVERS=servers, TURN_SECRET=secret)
