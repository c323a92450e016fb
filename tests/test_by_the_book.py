"""Test the documented commands of a system administrator, with the documented rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.book import DOCS, Installation, blocks, installation

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("book")) as made:
        yield made


def cron() -> tuple[dict[str, str], list[str]]:
    """Return the documented crontab: its variables, and the commands of its lines."""
    (crontab,) = blocks("configuration.md", "cron", heading="Cron")
    variables = dict(re.findall(r"^([A-Z_]+) *= *(.*)$", crontab, re.M))
    return variables, re.findall(r"^(?:[\d*/,-]+ +){5}(\S.*)$", crontab, re.M)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="documented for PostgreSQL")
def test_every_line_of_cron_ends_with_0_and_nothing_to_complain_of(installed: Installation) -> None:
    """The role owns the database, as documented, and is not a superuser."""
    variables, lines = cron()
    environment = {name: installed.in_place(value) for name, value in variables.items()}
    assert len(lines) >= 8
    assert [line for line in lines if "%" in line] == [], "cron ends a command there"
    (rewrite,) = (line for line in lines if "maintain --rewrite" in line)
    # The rewrite again, after the erasure of verify_erasure.
    for line in (*lines, rewrite):
        done = installed.run(line, **environment)
        assert (done.returncode, done.stderr) == (0, ""), line
    status = json.loads(installed.manage("erasure_status --json"))
    assert status["erasures"] == 1
    assert status["not_physically_complete"] == 0


BACK_UP = "operate/back-up-and-restore.md"
AGE_FILES = "find /srv/mluvii-gdpr/media -type f -exec touch --date='2 days ago' {} +"


def the_backup(*, in_between: str) -> str:
    """Return the documented backup, with a command between its parts, while servers are running."""
    name = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
    (script,) = blocks(BACK_UP, "sh", heading=f"Back up {name}")
    commands = re.sub(r"\\\n\s*", "", script).splitlines()
    parts = [i for i, command in enumerate(commands) if re.match("pg_dump|python3|tar", command)]
    assert len(parts) == 2
    commands.insert(parts[0] + 1, in_between)
    return "\n".join(commands)


def the_restore() -> str:
    """Return the documented commands of a restore, in their order, for the current database."""
    database = "the PostgreSQL" if connection.vendor == "postgresql" else "the SQLite"
    steps = [
        "Stop the servers and cron",
        "Choose the backup and verify it",
        f"Restore {database} database",
        "Restore the files",
        "Replay the erasures",
        "Start the servers and cron",
    ]
    text = (DOCS / BACK_UP).read_text()
    assert sorted(steps, key=lambda step: text.index(f"### {step}\n")) == steps
    return "set -eu\n" + "".join("".join(blocks(BACK_UP, "sh", heading=step)) for step in steps)


def everything_stored(installed: Installation) -> bytes:
    return b"".join(path.read_bytes() for path in installed.media.rglob("*") if path.is_file())


def test_a_restored_backup_holds_what_it_should_and_nobody_who_was_erased(
    installed: Installation,
) -> None:
    guests = installed.visitors("anna", "boris")["guests"]
    (prepare,) = blocks(BACK_UP, "sh", heading="Prepare backups")
    assert installed.run(prepare, root=True).returncode == 0
    # The backup becomes two days old. Files without a row are deleted after one day.
    late = installed.command_of_visitors("late")
    made = installed.run(the_backup(in_between=f"{late}; {AGE_FILES}"))
    assert (made.returncode, made.stderr) == (0, "")
    private = {
        path.stat().st_mode & 0o077 for path in (installed.folder / "srv" / "backups").rglob("*")
    }
    assert private == {0}

    installed.manage(f"anonymize_guest {guests['anna']}")
    assert sorted(installed.visitors("newcomer")["guests"]) == ["boris", "late", "newcomer"]

    restored = installed.run(the_restore(), root=True)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "1 records are missing" in restored.stdout
    services = "mluvii-gdpr mluvii-gdpr-events cron"
    assert installed.asked()[-2:] == [f"systemctl stop {services}", f"systemctl start {services}"]
    told = installed.visitors()
    assert (sorted(told["guests"]), told["files"], told["missing"]) == (["boris"], 1, 0)
    stored = everything_stored(installed)
    assert b"File of boris" in stored
    assert [
        who for who in ("anna", "late", "newcomer") if f"File of {who}".encode() in stored
    ] == []
