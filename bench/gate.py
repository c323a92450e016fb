"""Measure the gate: submits of the GDPR form against the same three rows inserted by hand.

    .venv/bin/python -m bench.gate [--submits 400]

A submit is a POST of a complete form by a new person, through Django's test client with
``DEBUG=off``, without a network. By hand means one driver connection that inserts a guest, a
session and a consent event with the same values, and commits. Both take turns in groups of 20. The
server has PostgreSQL's default durability.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

GROUP = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submits", type=int, default=400)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return measure(options.submits)
    from bench.postgres import create_database, server
    from bench.table import _production

    command = [sys.executable, "-m", "bench.gate", "--here", "--submits", str(options.submits)]
    with server() as url:
        environment = os.environ | _production(create_database(url, "bench_gate"))
        # The gate counts the submits, and no limit is reached.
        environment |= dict.fromkeys(
            ("ENTRIES_PER_MINUTE", "ENTRIES_PER_MINUTE_PER_ADDRESS"), "1000000"
        )
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def measure(submits: int) -> int:
    """Print the rates in the empty database that DATABASE_URL names."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    call_command("migrate", verbosity=0)
    webchat = _webchat()
    # One client loads the middleware once, as a server does.
    client = Client()
    _submit(client, _form(webchat))
    by_hand = ByHand()
    took: dict[str, list[float]] = {"gate": [], "by hand": []}
    for _group in range(max(submits // GROUP, 1)):
        forms = [_form(webchat) for _number in range(GROUP)]
        took["gate"] += [_timed(partial(_submit, client, form)) for form in forms]
        took["by hand"] += [_timed(by_hand.insert) for _form_ in forms]
    rates = {name: 1 / statistics.median(times) for name, times in took.items()}
    print("| | submits a second (median) |\n|---|--:|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.0f} |")
    print(f"\nratio {rates['gate'] / rates['by hand']:.2f}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sessions_app_consentevent")
        assert cursor.fetchone() == (1 + 2 * len(took["gate"]),), "something was refused"
    return 0


def _timed(do: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def _webchat() -> Any:
    from webchat.consent_html import DraftText
    from webchat.models import WebChat
    from webchat.services import publish_consent

    webchat = WebChat.objects.create(
        name="Gate", languages=["en"], entry_form="gdpr", showroom_form="gdpr"
    )
    text = DraftText("I agree", "<p>We process your data to answer you.</p>")
    publish_consent(webchat, texts={"en": text}, based_on=0, published_by=None)
    return webchat


def _form(webchat: Any) -> tuple[str, dict[str, str]]:
    """Return URL and values of a form that a new person fills in."""
    from sessions_app import ticket
    from webchat.models import ConsentText

    shown = ConsentText.objects.select_related("version").get(version__webchat=webchat)
    signed = ticket.issue(webchat, channel="chat", language="en", text=shown)
    person = secrets.token_hex(6)
    entered = {
        "name": f"Jana {person}",
        "email": f"{person}@example.com",
        "phone": f"603{secrets.randbelow(10**6):06}",
    }
    return f"/w/{webchat.public_id}/", {"ticket": signed, "consent": "on"} | entered


def _submit(client: Any, form: tuple[str, dict[str, str]]) -> None:
    response = client.post(*form)
    assert response.status_code == 302, response.status_code


class ByHand:
    """Insert copies of the rows of the last submit, with new keys, on a driver connection."""

    def __init__(self) -> None:
        import psycopg
        from psycopg.types.json import Jsonb

        address = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
        self._connection = psycopg.connect(address)
        self._rows = {
            table: {
                name: Jsonb(value) if isinstance(value, dict) else value
                for name, value in self._newest(table).items()
            }
            for table in ("guest", "session", "consentevent")
        }

    def _newest(self, table: str) -> dict[str, Any]:
        cursor = self._connection.execute(
            f"SELECT * FROM sessions_app_{table} ORDER BY id DESC LIMIT 1"  # type: ignore[arg-type]
        )
        row = cursor.fetchone()
        assert row is not None
        assert cursor.description is not None
        return dict(zip([column.name for column in cursor.description], row, strict=True))

    def insert(self) -> None:
        person = secrets.token_hex(6)
        guest = self._insert(
            "guest", id=secrets.randbelow(10**9), uid=uuid.uuid4(), email_key=person
        )
        keys = {name: secrets.token_hex(32) for name in ("entry_key", "room_key", "consent_key")}
        session = self._insert("session", uid=uuid.uuid4(), guest_id=guest, **keys)
        self._insert("consentevent", session_id=session)
        self._connection.commit()

    def _insert(self, table: str, **changes: Any) -> int:
        row = self._rows[table] | changes
        if "id" not in changes:
            row = {name: value for name, value in row.items() if name != "id"}
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        cursor = self._connection.execute(
            f"INSERT INTO sessions_app_{table} ({columns}) VALUES ({places}) RETURNING id",  # type: ignore[arg-type]
            list(row.values()),
        )
        inserted = cursor.fetchone()
        assert inserted is not None
        return int(inserted[0])


if __name__ == "__main__":
    sys.exit(main())
