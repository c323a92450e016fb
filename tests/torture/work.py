"""Run a process with one new database that runs one batch for each line of its standard input.

An input line is ``[run, batch]``. An output line lists the trials as ``[kind, failure or nothing]``.
One process uses SQLite and one uses PostgreSQL, each with an external copy of the ledger.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.postgres import create_database, drop_database, server
from tests.torture.child import Child
from tests.torture.progress import Progress

Trial = tuple[str, str]
#: Settings for a server that only the run uses.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Work(Child):
    """Starts such a process and sends batches to it."""

    def __init__(self, url: str, folder: Path) -> None:
        for name in ("media", "ledger"):
            (folder / name).mkdir(parents=True)
        super().__init__(
            "tests.torture.work",
            said=folder / "said.txt",
            DATABASE_URL=url,
            MEDIA_ROOT=str(folder / "media"),
            ERASURE_LEDGER_DIR=str(folder / "ledger"),
        )

    def begin(self, run: str, batch: int) -> None:
        self.send([run, batch])

    def end(self) -> list[Trial]:
        return [(kind, failure) for kind, failure in self.receive()]


@contextmanager
def on_both_databases() -> Iterator[list[Work]]:
    """Yield two such processes."""
    with server(_FAST) as url, tempfile.TemporaryDirectory() as folder:
        name = f"torture_{os.getpid()}"
        try:
            with (
                Work(f"sqlite:///{folder}/torture.sqlite3", Path(folder) / "sqlite") as sqlite,
                Work(create_database(url, name), Path(folder) / "postgresql") as postgresql,
            ):
                yield [sqlite, postgresql]
        finally:
            drop_database(url, name)


def run_on_both(progress: Progress) -> None:
    """Run batch after batch on both databases in parallel."""
    with on_both_databases() as works:
        for batch in progress.batches():
            for work in works:
                work.begin(progress.name, batch)
            for work in works:
                for kind, failure in work.end():
                    progress.count(kind, failure)


def main() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    # Only answers may be written to standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    call_command("migrate", verbosity=0)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for line in sys.stdin:
        run, batch = json.loads(line)
        trials = list(importlib.import_module(f"tests.torture.{run}").trials(batch))
        answers.write(json.dumps(trials) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
