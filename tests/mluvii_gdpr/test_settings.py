"""Test that a wrong setting stops the start with a sentence that names it."""

from __future__ import annotations

import datetime as dt
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from mluvii_gdpr.environment import WrongEnvironment
from tests.test_docs import settings_read

ROOT = Path(settings.BASE_DIR)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Return the settings module for an environment, separate from the settings in use."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(Path(settings.BASE_DIR) / "mluvii_gdpr" / "settings.py"))


# Wrong values. The canary represents a part of a secret.
NUMBER = ["0", "-1", "1.5", "x", "", " 1", "1_0", "٣", "1e3", "99999999999"]
SWITCH = ["offf", "", "2", "on ", "nein"]
TEXT = ["two\nlines", "kanar\x1b[1m", "no UTF-8 \udcff"]
ORIGIN = [
    "chat.example.com",
    "https://",
    "https://x:0",
    "https://x/path",
    "https://u:kanar@x",
    "https://a, https://b",
]
NONSENSE = {
    **dict.fromkeys(["DEBUG", "HTTPS", "BEHIND_PROXY"], SWITCH),
    **dict.fromkeys(
        ["TICKET_MAX_AGE", "ATTACHMENT_MAX_BYTES", "MESSAGE_MAX_LENGTH", "DATABASE_POOL", "EVENTS_MAX_STREAMS"],
        NUMBER,
    ),
    "DATABASE_TIMEOUT": NUMBER,
    "DATABASE_ANSWER_WITHIN": ["-1", "x", "", "1.5"],
    **dict.fromkeys(["API_GUESTS_PER_HOUR", "API_SESSIONS_PER_HOUR"], NUMBER),
    **{key: [*NUMBER, "1001"] for key in ["WEB_WORKERS", "WEB_THREADS", "EVENTS_WORKERS"]},
    **{key: [*NUMBER, "65536", "127.0.0.1:8000"] for key in ["PORT", "EVENTS_PORT"]},
    "TRUSTED_PROXIES": ["-1", "x", "", "101"],
    "TAKE_OVER_MINUTES": NUMBER,
    **{key: ["-1", "x", "", "1.5"] for key in ["ENTRIES_PER_MINUTE_PER_ADDRESS", "ENTRIES_PER_MINUTE"]},
    "TURN_TTL": ["59", "x", ""],
    **dict.fromkeys(["CONTROLLER_NAME", "CONTROLLER_ADDRESS", "CONTROLLER_CONTACT"], TEXT),
    **dict.fromkeys(["DPA_CONTACT", "DPA_COUNTERPARTY"], TEXT),
    "DPA_SIGNED_ON": ["1 March 2026", "2026-02-30", "01.03.2026", "soon", *TEXT],
    "SECRET_KEY": ["", "kanar", *TEXT],
    "SECRET_KEY_FALLBACKS": ["kanar", f"{'k' * 50},", f"{'k' * 50}, kanar", *TEXT],
    "EVIDENCE_KEY": ["kanar", "k" * 31, f"{'k' * 31},", *TEXT],
    "EVIDENCE_KEY_FALLBACKS": ["kanar", f"{'k' * 32},", f"{'k' * 32}, kanar", *TEXT],
    "TURN_SECRET": TEXT,
    "ALLOWED_HOSTS": [
        "", ",", "*", "https://chat.example.com", "chat.example.com:8000", "a.example.com, b.example.com",
        "chat.example.com/", "chat_1.example.com", "*.example.com", "..example.com", "::1", "[::z]", "žluť.example",
    ],
    "HOST": ["", "127.0.0.1:8000", "http://x", "a b", "[127.0.0.1]", "*"],
    "CSRF_TRUSTED_ORIGINS": [*ORIGIN, "https://*", "https://a*.example.com"],
    "EVENTS_ORIGINS": [*ORIGIN, "https://*.example.com"],
    "SITE_URL": [*ORIGIN, "https://*.example.com", "https://chat.example.com/"],
    "EVENTS_URL": [
        "events/", "/stream/", "https://chat.example.com/", "javascript:x/events/", "//x/events/",
        "https://chat.example.com:8001/events", "https://chat.example.com:port/events/", "https:///events/",
    ],
    "ICE_SERVERS": ["https://turn.example.com", "turn:", "stun:a, stun:b", "stun:stun.example.com?transport=udp"],
    "DATABASE_URL": [
        "kanar", "://kanar", "mysql://u:kanar@host/db", "postgres://u:kanar@host", "postgres://u:kanar@host:port/db",
        "postgres://u:ka/nar@host/db", "postgres://u:12/kanar@host/db", "postgres://u:kanar@[::1/db",
        "postgres://u:kanar@host/db?sslmod=require", "sqlite:///relative.sqlite3", "sqlite://", "sqlite://:memory:",
        "sqlite:////there/is/no/such/folder/kanar.sqlite3", "sqlite://kanar/db.sqlite3",
    ],
    "EMAIL_URL": [
        "", "mail.example.com", "smpt://u:kanar@mail.example.com", "smtp://", "smtp://u:kanar@mail.example.com:port",
        "smtp://u:12#kanar@mail.example.com", "smtp://u:12/kanar@mail.example.com", "smtp://u:12?kanar@mail.example.com",
        "smtp://u:kanar@mail.example.com:99999", "u:kanar@mail.example.com",
    ],
    "DEFAULT_FROM_EMAIL": [
        "", "x", "chat@", "a@example.com, b@example.com", "Chat chat@example.com", "Chat <chat@example.com",
        "chat@example.com\nBcc: kanar@example.com",
    ],
    "LANGUAGE_CODE": ["", "fr", "EN", "cs-CZ"],
    "TIME_ZONE": ["", "Prague", "Europe", "CEST", "/etc/localtime", "../../etc/passwd", "+01:00"],
    "ERASURE_TIME_PRECISION": ["", "hour", "Month"],
    "MEDIA_ROOT": ["", "media", "/etc/passwd"],
    **{key: ["/there/is/none", "tests", "/etc/passwd"] for key in ["FILE_UPLOAD_TEMP_DIR", "ERASURE_LEDGER_DIR"]},
    "ATTACHMENT_EXTENSIONS": ["", "pdf, png", ".pdf", "*", "PDF", "pdf,"],
    "WEB_LOG_LEVEL": ["", "loud", "WARNING"],
}  # fmt: skip


def in_production(**changes: str) -> dict[str, str]:
    return {
        "DEBUG": "off", "SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "localhost", "DATABASE_URL": "postgres://a@b/c",
        **changes,
    }  # fmt: skip


def test_nonsense_is_known_for_every_setting() -> None:
    assert set(NONSENSE) == settings_read()


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_stops_the_start_with_a_sentence_that_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load(monkeypatch, **in_production())
    for value in NONSENSE[name]:
        with monkeypatch.context() as patched:
            patched.setattr("os.environ", os.environ | in_production(**{name: value}))
            with pytest.raises(WrongEnvironment) as wrong:
                load(patched)
        assert name in str(wrong.value).partition(":")[0], value
        assert "nar" not in str(wrong.value), value


@pytest.mark.parametrize(
    "values",
    [
        {"HOST": "::1", "ALLOWED_HOSTS": "[::1],.example.com,xn--lu-zna5l.example,10.0.0.1"},
        {"TRUSTED_PROXIES": "0", "CSRF_TRUSTED_ORIGINS": "https://*.example.com,http://[::1]:8000"},
        {"DEFAULT_FROM_EMAIL": "Žlutý chat <chat@localhost>", "EMAIL_URL": "smtp+tls://u%40x:s%23@mail.example.com:587"},
        {"DATABASE_URL": "postgresql://u:%2F%23@10.0.0.1:6432/chat?sslmode=require", "TIME_ZONE": "UTC"},
        {"DATABASE_URL": "postgres:///chat?host=/run/postgresql", "DEBUG": "False", "HTTPS": "ON"},
        {"SECRET_KEY_FALLBACKS": f"{'a' * 50},{'b' * 50}", "SECRET_KEY": "$HOME#'\"\\" * 10, "MEDIA_ROOT": "/srv/none"},
    ],
)  # fmt: skip
def test_odd_values_that_are_right_start(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    loaded = load(monkeypatch, **in_production(**values))
    assert loaded["SECRET_KEY"] == values.get("SECRET_KEY", "k" * 50)
    assert loaded["HOST"] == ("[::1]" if "HOST" in values else "127.0.0.1")


@pytest.mark.parametrize(
    "values",
    [
        {"EVENTS_URL": "https://chat.example.com:8001/events/"},
        {"EVENTS_ORIGINS": "https://chat.example.com"},
        {"PORT": "8001"},
        {"EVENTS_PORT": "8000"},
        {"DATABASE_POOL": "3"},
        {"DATABASE_POOL": "8", "WEB_THREADS": "9"},
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    with pytest.raises(WrongEnvironment, match=r"^(EVENTS_(ORIGINS|PORT)|DATABASE_POOL) must be "):
        load(monkeypatch, **in_production(**values))


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({}, 8),
        ({"WEB_THREADS": "16"}, 16),
        ({"WEB_THREADS": "4", "DATABASE_POOL": "4"}, 4),
    ],
)
def test_the_pool_has_a_connection_for_each_thread(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], size: int
) -> None:
    monkeypatch.delenv("DATABASE_POOL", raising=False)
    database = load(monkeypatch, **in_production(**variables))["DATABASES"]["default"]
    assert database["OPTIONS"]["pool"]["max_size"] == size


def test_a_file_of_sqlite_needs_no_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite3"
    load(monkeypatch, **in_production(DATABASE_URL=url, WEB_THREADS="9", DATABASE_POOL="8"))


SERVERS = [["-m", "gunicorn", "--config", f"gunicorn{kind}.py"] for kind in (".conf", ".events")]


@pytest.mark.any_database
@pytest.mark.parametrize(
    "command",
    [["manage.py", "check"], ["manage.py", "anonymize_guest", "1"], *SERVERS],
    ids=" ".join,
)
def test_commands_and_servers_say_one_sentence_and_end(command: list[str]) -> None:
    env = os.environ | in_production(DATABASE_URL="postgres://u:ka/nar@host/db")
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ": DATABASE_URL must be " in ended.stderr
    assert "nar" not in ended.stderr


def test_large_uploads_wait_in_a_folder_that_nobody_else_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = Path(load(monkeypatch, FILE_UPLOAD_TEMP_DIR="")["FILE_UPLOAD_TEMP_DIR"])
    assert (folder.parent, folder.stat().st_mode & 0o777) == (settings.VAR_DIR, 0o700)
    loaded = load(monkeypatch, FILE_UPLOAD_TEMP_DIR=str(tmp_path))
    assert loaded["FILE_UPLOAD_TEMP_DIR"] == str(tmp_path)


@pytest.mark.parametrize(("value", "day"), [("", None), ("2026-03-01", dt.date(2026, 3, 1))])
def test_the_day_of_the_agreement(
    monkeypatch: pytest.MonkeyPatch, value: str, day: dt.date | None
) -> None:
    assert load(monkeypatch, DPA_SIGNED_ON=value)["DPA_SIGNED_ON"] == day


@pytest.mark.parametrize(
    ("url", "sources"),
    [
        ("", ["'self'"]),
        ("https://chat.example.com:8001/events/", ["'self'", "https://chat.example.com:8001"]),
        (
            "http://{host}:8001/events/",
            ["'self'", "http://localhost:8001", "http://*.example.com:8001"],
        ),
    ],
)
def test_pages_may_connect_to_the_event_streams(
    monkeypatch: pytest.MonkeyPatch, url: str, sources: list[str]
) -> None:
    loaded = load(
        monkeypatch,
        EVENTS_URL=url,
        EVENTS_ORIGINS="http://{host}:8000" if url else "",
        ALLOWED_HOSTS="localhost,[::1],.example.com",
    )
    assert loaded["EVENTS_URL"] == (url or "/events/")
    assert loaded["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["connect-src"] == sources
    named = ["http://localhost:8000", "http://*.example.com:8000"] if url else []
    assert loaded["EVENTS_ORIGINS"] == named


@pytest.mark.parametrize(
    ("servers", "secret"),
    [
        ("", ""),
        ("stun:stun.example.com", ""),
        (
            "stuns:stun.example.com,turn:203.0.113.9:3478?transport=udp,turns:turn.example.com:443",
            "x",
        ),
    ],
)
def test_servers_of_calls(monkeypatch: pytest.MonkeyPatch, servers: str, secret: str) -> None:
    loaded = load(monkeypatch, ICE_SERVERS=servers, TURN_SECRET=secret)
    assert loaded["ICE_SERVERS"] == [url for url in servers.split(",") if url]


@pytest.mark.parametrize(
    ("servers", "secret", "named"),
    [
        # RTCPeerConnection rejects it (RFC 7064 has no transport), so every call would fail.
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
    with pytest.raises(WrongEnvironment, match=rf"^{named} must be"):
        load(monkeypatch, ICE_SERVERS=servers, TURN_SECRET=secret)
