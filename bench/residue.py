"""Count the erased values that are still in the files of SQLite and PostgreSQL.

    .venv/bin/python -m bench.residue [--sessions 1000]

Stores a unique value in the message, the note and the name of each session and erases all sessions.
After each step, it counts the values in the data files (tables, indexes, statistics) and in the
write-ahead log. Exits with 1 if ``maintain --rewrite`` leaves a value in the data files. Do not run
it on a server that others use.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_VALUE = re.compile(rb"residue-[0-9a-f]{32}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return measure(options.sessions)
    from bench.postgres import create_database, server
    from bench.table import _production

    command = [sys.executable, "-m", "bench.residue", "--here", "--sessions", str(options.sessions)]
    with server() as url, tempfile.TemporaryDirectory() as folder:
        urls = [f"sqlite:///{folder}/residue.sqlite3", create_database(url, "residue")]
        return max(
            subprocess.run(
                command, env=os.environ | _production(u), cwd=ROOT, check=False
            ).returncode
            for u in urls
        )


def measure(sessions: int) -> int:
    """Print a table of the values left after each step in the database that DATABASE_URL names."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    print(f"\n| {connection.vendor} | in the data | in the write-ahead log |\n|---|--:|--:|")
    plant(sessions)
    report("before the erasure", sessions)
    erase_all()
    report("after the erasure", sessions)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        report("after `VACUUM ANALYZE`", sessions)
    call_command("maintain", "--rewrite", verbosity=0)
    return 1 if report("after `maintain --rewrite`", sessions) else 0


def plant(sessions: int) -> None:
    """Store sessions with three values each through the product's models, and run ANALYZE."""
    import secrets

    from django.db import connection
    from django.utils import timezone

    from sessions_app.models import Guest, Message, Session
    from webchat.models import WebChat

    def value() -> str:
        return f"residue-{secrets.token_hex(16)}"

    webchat = WebChat.objects.create(name="Residue")
    for number in range(sessions):
        guest = Guest.objects.create(name=value(), email=f"{number}@example.com")
        session = Session.objects.create(
            webchat=webchat, guest=guest, channel="chat", status="closed", language="en", ended_at=timezone.now(),
            note=value(), entry_key=secrets.token_hex(32), room_key=secrets.token_hex(32),
        )  # fmt: skip
        Message.objects.create(
            session=session, sender="visitor", text=value() + " and some words" * 5
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def erase_all() -> None:
    from anonymization.engine import erase
    from anonymization.ledger.recording import Requester
    from anonymization.models import Source
    from sessions_app.models import Guest

    for guest in Guest.objects.order_by("pk"):
        erase(guest, requester=Requester(Source.COMMAND))


def report(when: str, sessions: int) -> int:
    data, log = (len(found) for found in readable())
    total = sessions * 3
    print(f"| {when} | {data:,} of {total:,} ({data / total:.0%}) | {log:,} |", flush=True)
    return data


def readable() -> tuple[set[bytes], set[bytes]]:
    """Return the values in the data files, and the values in the write-ahead log."""
    from django.db import connection

    from bench.postgres import data_folders

    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        return _values_in([path]), _values_in([path.with_name(f"{path.name}-wal")])
    with connection.cursor() as cursor:
        data, log = data_folders(cursor)
    return _values_in(data.iterdir()), _values_in(log.iterdir())


def _values_in(paths: Iterable[Path]) -> set[bytes]:
    files = [path for path in paths if path.is_file()]
    return {value for path in files for value in _VALUE.findall(path.read_bytes())}


if __name__ == "__main__":
    sys.exit(main())
