"""Measure one database for bench/api.py. Answers each line of standard input with a measurement."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import django

django.setup()

from django.db import connection, transaction  # noqa: E402  Django has to be set up before
from django.test import Client, override_settings  # noqa: E402

from api.models import Right  # noqa: E402
from api.services import create_client  # noqa: E402
from bench.load import DAY, WITH_MESSAGES  # noqa: E402
from bench.urls import CONSTANT  # noqa: E402
from bench.worker import prepare, say  # noqa: E402

_LIST_SQL = (
    "SELECT s.*, w.name, u.username, u.first_name, u.last_name FROM sessions_app_session s "
    "JOIN webchat_webchat w ON w.id = s.webchat_id LEFT JOIN auth_user u ON u.id = s.operator_id "
    "ORDER BY s.created_at DESC, s.id DESC LIMIT 1000",
    "SELECT session_id, id, at, sender, author_id, text FROM sessions_app_message WHERE session_id = ANY(%s)",
    "SELECT session_id, id, at, sender, author_id, original_name FROM sessions_app_attachment "
    "WHERE session_id = ANY(%s)",
    "SELECT e.session_id, v.number, t.language FROM sessions_app_consentevent e "
    "JOIN webchat_consenttext t ON t.id = e.text_id JOIN webchat_consentversion v ON v.id = t.version_id "
    "WHERE e.session_id = ANY(%s) AND e.kind = 'given'",
)
#: Expert SQL for one session of a guest who has other sessions: no checks, counts or preview.
_ERASE_SQL = (
    "SELECT guest_id FROM sessions_app_session WHERE id = %(id)s FOR UPDATE",
    "SELECT pg_advisory_xact_lock(4711)",
    "DELETE FROM sessions_app_message WHERE session_id = %(id)s",
    "DELETE FROM sessions_app_attachment WHERE session_id = %(id)s",
    "INSERT INTO anonymization_erasure (id, number, version, kind, subjects, rows, facts, salt, day, requester, "
    "previous, hash, created_at, door, ground, counts, evidence) SELECT gen_random_uuid(), "
    "coalesce(last.number, 0) + 1, 2, 'sessions_app.Session', "
    "jsonb_build_array(encode(sha256(convert_to(s.uid::text, 'UTF8')), 'hex')), 1, repeat('0', 64), repeat('0', 64), "
    "current_date, 'system', "
    "coalesce(last.hash, repeat('0', 64)), "
    "encode(sha256(convert_to(coalesce(last.hash, '') || s.uid::text, 'UTF8')), 'hex'), now(), 'command', "
    "'request', '{}', '[]' "
    "FROM sessions_app_session s LEFT JOIN (SELECT number, hash FROM anonymization_erasure ORDER BY number DESC "
    "LIMIT 1) AS last ON true WHERE s.id = %(id)s",
    "UPDATE sessions_app_session SET guest_id = NULL, status = 'closed', created_at = date_trunc('day', created_at), "
    "accepted_at = NULL, ended_at = date_trunc('day', ended_at), waited = date_trunc('minute', waited), "
    "duration = date_trunc('minute', duration), entered_name = '', entered_email = '', entered_phone = '', "
    "params = '{}', ip_address = NULL, user_agent = '', landing_page = '', referrer = '', note = '', result = '', "
    "feedback_text = '', room_key = NULL, uid = NULL, anonymized_in = date_trunc('month', now())::date "
    "WHERE id = %(id)s",
)


class Calls:
    """The measured calls, by name. ``turn`` selects another row of the same kind."""

    def __init__(self, sessions: int) -> None:
        client, secret = create_client("Bench", rights=list(Right.values), created_by=None)
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": secret,
        }
        token = Client().post("/login/connect/token", form).json()["access_token"]
        self.client = Client(headers={"Authorization": f"Bearer {token}"})
        # Sessions with a transcript. Each is used once.
        self.fresh: Iterator[int] = iter(range(WITH_MESSAGES, sessions, WITH_MESSAGES))

    def of(self, name: str) -> Callable[[], Any]:
        path = "/api/v1/Sessions"
        if name == "list_constant":
            CONSTANT.update(body=self.client.get(path, {"limit": 1000}).getvalue(), status=200)
        if name == "anonymize_constant":
            CONSTANT.update(body=b"", status=204)
        day = {"Created.Min": f"{DAY}T00:00:00Z", "Created.Max": f"{DAY}T23:59:59Z"}
        pk = next(self.fresh) if name in {"anonymize", "anonymize_sql"} else 0
        return {
            "first": lambda: self._get(path),
            "range": lambda: self._get(path, day),
            "offset": lambda: self._get(path, {"offset": 5000}),
            "list": lambda: self._get(path, {"limit": 1000}),
            "list_constant": lambda: self._get("/bench/constant"),
            "list_sql": _read_rows,
            "all": self._read_all,
            "anonymize": lambda: self._expect(204, self.client.post(f"{path}/{pk}/anonymous")),
            "anonymize_constant": lambda: self._expect(204, self.client.post("/bench/constant")),
            "anonymize_sql": lambda: _erase_by_hand(pk),
        }[name]

    def _get(self, path: str, query: dict[str, Any] | None = None) -> None:
        response = self._expect(200, self.client.get(path, query))
        assert len(response.getvalue()) > 1000

    def _read_all(self) -> None:
        """Read 100,000 sessions as a server sends them, part by part, without keeping any."""
        response = self._expect(200, self.client.get("/api/v1/Sessions", {"limit": 100_000}))
        assert sum(len(part) for part in response.streaming_content) > 1000

    @staticmethod
    def _expect(status: int, response: Any) -> Any:
        assert response.status_code == status, response.status_code
        return response


def _read_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LIST_SQL[0])
        keys = [row[0] for row in cursor.fetchall()]
        assert len(keys) == 1000
        for statement in _LIST_SQL[1:]:
            cursor.execute(statement, [keys])
            cursor.fetchall()


def _erase_by_hand(pk: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _ERASE_SQL:
            cursor.execute(statement, {"id": pk})


def main() -> None:
    sessions = int(sys.argv[1])
    started = time.perf_counter()
    prepare(sessions)
    calls = Calls(sessions)
    say({"ready": f"{sessions:,} sessions loaded in {time.perf_counter() - started:.0f} s"})
    for line in sys.stdin:
        call = calls.of(json.loads(line)["page"])
        gc.collect()
        began = time.perf_counter()
        call()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say({"ms": (time.perf_counter() - began) * 1000, "peak_mb": peak})


if __name__ == "__main__":
    unlimited = {"sessions_app.Guest": 10**9, "sessions_app.Session": 10**9}
    with override_settings(ROOT_URLCONF="bench.urls", API_ERASURES_PER_HOUR=unlimited):
        main()
