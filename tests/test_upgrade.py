"""Test that an upgrade removes the links from rows that earlier versions anonymized.

This applies to records too, on both databases.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from bench.postgres import with_database
from tests.commands import run_commands, run_program

pytestmark = pytest.mark.django_db

#: Two people who were anonymized with the previous version. One long ago, one today, whose file is
#: not deleted yet.
OLD = """
import uuid, datetime
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from anonymization.ledger.chain import GENESIS, Entry, subject_of

executor = MigrationExecutor(connection)
targets = [("anonymization", "0007_plain_words"), ("sessions_app", "0013_plain_words"), ("webchat", "0004_plain_words")]
executor.migrate(targets)
apps = executor.loader.project_state(targets).apps
model = apps.get_model
webchat = model("webchat", "WebChat").objects.create(name="Shop", public_id="shop")
previous = GENESIS
for number, days in ((1, 100), (2, 0)):
    at = timezone.now() - datetime.timedelta(days=days)
    guest_uid = uuid.uuid4()
    entry = Entry(
        sequence=number, kind="sessions_app.Guest", subjects=(subject_of(guest_uid),), facts="",
        day=timezone.localdate(at).isoformat(), requester="system", previous=previous, version=1,
    )
    previous = entry.hash
    record = model("anonymization", "Erasure")(
        number=number, version=1, kind=entry.kind, subject=entry.subjects[0], day=entry.day, requester="system",
        previous=entry.previous, hash=entry.hash, created_at=at, door="command",
        counts={"sessions_app.Guest": 1, "sessions_app.Session": 2},
    )
    cut = timezone.localtime(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    marked = {"anonymized_at": at, "erasure_id": record.pk}
    guest = model("sessions_app", "Guest")(uid=guest_uid, created_at=at, **marked)
    sessions = [
        model("sessions_app", "Session")(
            webchat=webchat, channel="chat", status="closed", created_at=cut, ended_at=cut,
            entry_key=f"{number} {n}", **marked,
        )
        for n in range(2)
    ]
    record.save()
    guest.save()
    for session in sessions:
        session.save()
    record.shells = {"sessions_app.Guest": [guest.pk], "sessions_app.Session": [s.pk for s in sessions]}
    record.save()
model("anonymization", "FileDeletion").objects.create(erasure=record, name="attachments/x")
"""

NEW = """
import json
import django
django.setup()
from django.utils import timezone
from anonymization.models import AwaitingFiles, Erasure
from lib.days import period_of
from sessions_app.models import Guest, Session

one, two = Erasure.objects.order_by("number")
print(json.dumps({
    "periods": {
        model.__name__: [row.anonymized_in == period_of(day) for row, day in zip(
            model.objects.order_by("pk"), [one.day] * rows + [two.day] * rows, strict=True)]
        for model, rows in ((Guest, 1), (Session, 2))
    },
    "identifiers": [model.objects.exclude(uid=None).count() for model in (Guest, Session)],
    "guests' days": [timezone.localdate(g.created_at).day for g in Guest.objects.all()],
    "rows": [one.rows, two.rows],
    "known": [bool(e.created_at or e.counts) for e in (one, two)],
    "awaiting": [AwaitingFiles.objects.filter(erasure=e).count() for e in (one, two)],
    "columns": sorted(f.name for m in (Guest, Session, Erasure) for f in m._meta.fields
                      if f.name in ("anonymized_at", "erasure", "shells", "subject")),
}))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Return the URL of a separate, empty database."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.sqlite3'}"
        return
    name = f"upgrade_{os.getpid()}"
    server = os.environ["DATABASE_URL"]
    _execute(server, "CREATE DATABASE {}", name)
    yield with_database(server, name)
    _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(server: str, statement: Any, name: str) -> None:
    address = server.replace("postgres://", "postgresql://", 1)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(sql.SQL(statement).format(sql.Identifier(name)))


def test_old_links_are_gone_and_the_ledger_holds(url: str, tmp_path: Path) -> None:
    run_program(OLD, DATABASE_URL=url)
    # The checkout's own folder may belong to the database of a demo.
    (tmp_path / "media").mkdir()
    migrated, verified, checked = run_commands(
        "migrate --no-input",
        "verify_ledger",
        "check --database default",
        DATABASE_URL=url,
        MEDIA_ROOT=str(tmp_path / "media"),
    )
    assert migrated.returncode == 0, migrated.stderr
    assert "can't be undone: anonymization.0009_unlink_records" in migrated.stdout
    assert verified.returncode == checked.returncode == 0, verified.stderr + checked.stderr
    assert json.loads(run_program(NEW, DATABASE_URL=url)) == {
        "periods": {"Guest": [True] * 2, "Session": [True] * 4},
        "identifiers": [0, 0],
        "guests' days": [1, 1],
        "rows": [3, 3],
        "known": [False, True],
        "awaiting": [0, 3],
        "columns": [],
    }
