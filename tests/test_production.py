"""Test a production with var/production: commands and servers use its database, or none."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import make_checkout, run

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent
VARIABLES = {
    "DEBUG": "off",
    "SECRET_KEY": "x7Kq-" * 5 + "Zr2_w" * 6,
    "ALLOWED_HOSTS": "localhost",
    "CONTROLLER_NAME": '"Example s.r.o."',
    "PORT": "8765",
    "EVENTS_PORT": "8766",
}
# Writes every kind of file. Prints mode and name of each file while the database is open.
WRITE = """
import subprocess
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
User.objects.create_user("jana")
cache.set("name", "value")
default_storage.save("attachments/ab/cd", ContentFile(b"x"))
upload = TemporaryUploadedFile("x.pdf", "application/pdf", 1, None)
subprocess.run("find var ../media ../ledger ../live.sqlite3* -printf '%m %p\\\\n'", shell=True, check=True)
"""


def upgrade_block() -> str:
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"^## Upgrade\n.*?^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md has no upgrade block"
    assert block[1].count("manage.py") == 3
    return block[1]


def as_lines(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with its environment file, linked as documented, and its folders."""
    folder = tmp_path / "srv"
    folder.mkdir()
    (folder / "ledger").mkdir()
    variables = folder / "production.env"
    variables.write_text(
        as_lines(
            VARIABLES
            | {
                "DATABASE_URL": f"sqlite:///{folder}/live.sqlite3",
                "MEDIA_ROOT": str(folder / "media"),
                "ERASURE_LEDGER_DIR": str(folder / "ledger"),
            }
        )
    )
    variables.chmod(0o600)
    app = make_checkout(folder / "app")
    assert run(app, f"mkdir -p -m 700 var && ln -s {variables} var/production").returncode == 0
    return app


def test_a_fresh_shell_upgrades_the_production_and_closes_its_files(checkout: Path) -> None:
    """This is one test, because the documented block takes most of the time."""
    ran = run(checkout, "umask 0\n" + upgrade_block())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    live = sqlite3.connect(checkout.parent / "live.sqlite3")
    assert live.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 50
    live.close()
    assert not (checkout / "var" / "db.sqlite3").exists()

    script = 'umask 0; python manage.py begin_ledger_copy >&2; exec python manage.py shell -v 0 -c "$WRITE"'
    ran = run(checkout, script, WRITE=WRITE)
    assert ran.returncode == 0, ran.stderr
    modes = {name: mode for mode, name in (line.split(" ", 1) for line in ran.stdout.splitlines())}
    static = {name: modes.pop(name) for name in list(modes) if name.startswith("var/static")}
    assert modes.pop("var/production") == "777", "a link; what it leads to is closed"
    for part in (
        "live.sqlite3-wal",
        "ledger.jsonl",
        "attachments/ab/cd",
        ".djcache",
        ".upload.pdf",
    ):
        assert any(part in name for name in modes), (part, modes)
    modes.pop("../ledger")  # of the test itself
    assert {name: mode for name, mode in modes.items() if mode not in {"600", "700"}} == {}
    assert any(name.endswith(".css.gz") for name in static)
    assert set(static.values()) == {"644", "755"}, (
        "read by the service's user, also when root collected them"
    )


@pytest.mark.parametrize("server", ["gunicorn.conf.py", "gunicorn.events.py"])
def test_servers_read_the_file(checkout: Path, server: str) -> None:
    ran = run(checkout, f"exec .venv/bin/gunicorn --config {server} --print-config")
    assert ran.returncode == 0, ran.stderr
    port = VARIABLES["PORT" if server == "gunicorn.conf.py" else "EVENTS_PORT"]
    assert re.search(rf"^bind +.*127\.0\.0\.1:{port}\b", ran.stdout, re.MULTILINE), ran.stdout


ACTS = [
    "python manage.py migrate",
    ".venv/bin/gunicorn --config gunicorn.conf.py",
    ".venv/bin/gunicorn --config gunicorn.events.py",
]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "A production never runs with DEBUG on"),
        (VARIABLES | {"DEBUG": "on", "DATABASE_URL": "postgres://a@b/c"}, "A production never runs with DEBUG on"),
        (VARIABLES, "DATABASE_URL must be set"),
        (None, "can't be read (No such file or directory)"),
    ],
    ids=["empty", "debug", "no database", "missing"],
)  # fmt: skip
def test_with_the_marker_nothing_starts_without_the_production_settings(
    tmp_path: Path, variables: dict[str, str] | None, said: str
) -> None:
    app = make_checkout(tmp_path / "app")
    (app / "var").mkdir()
    (app / "var" / "production").symlink_to(tmp_path / "production.env")
    if variables is not None:
        (tmp_path / "production.env").write_text(as_lines(variables))
    for act in ACTS:
        ran = run(app, act)
        assert ran.returncode == 1, act
        assert said in ran.stderr, act
        assert ran.stderr.count("\n") == 1, act
    assert [path.name for path in (app / "var").iterdir()] == ["production"]


@pytest.mark.parametrize("script", ["demo", "test", "torture"])
def test_scripts_for_a_trial_refuse(checkout: Path, script: str) -> None:
    before = sorted(path.name for path in (checkout / ".venv").rglob("*"))
    ran = run(checkout, f"exec ./bin/{script}")
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith(
        "var/production makes this a production. Use another checkout."
    )
    (checkout / "var" / "production").rename(checkout / "aside")
    try:
        named = run(checkout, f"exec ./bin/{script}", MLUVII_GDPR_ENV="/etc/mluvii-gdpr.env")
    finally:
        (checkout / "aside").rename(checkout / "var" / "production")
    assert named.returncode == 1
    assert "/etc/mluvii-gdpr.env makes this a production" in named.stderr
    assert sorted(path.name for path in (checkout / ".venv").rglob("*")) == before


def test_tests_refuse_to_run_in_a_production(checkout: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_docs.py"],
        cwd=ROOT,
        env=os.environ | {"MLUVII_GDPR_ENV": str(checkout.parent / "production.env")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "makes this a production: use another checkout" in ran.stdout + ran.stderr


def check(app: Path) -> subprocess.CompletedProcess[str]:
    return run(app, "exec python manage.py check --deploy --fail-level ERROR")


def test_what_others_can_read_is_named_with_the_command_that_mends_it(checkout: Path) -> None:
    srv = checkout.parent
    (srv / "media").mkdir()
    (srv / "live.sqlite3").touch()
    opened = [checkout / "var", srv / "live.sqlite3", srv / "production.env", srv / "media"]
    for path in opened:
        path.chmod(0o755 if path.is_dir() else 0o644)
    found = check(checkout)
    assert found.returncode == 1
    assert found.stderr.count("mluvii_gdpr.E020") == len(opened)
    commands = re.findall(r"HINT: Run: (chmod o= .*)", found.stderr)
    for path in opened:
        assert f"Other users of this machine can get at {path} (mode " in found.stderr
    assert run(checkout, "\n".join(commands)).returncode == 0
    mended = check(checkout)
    assert mended.returncode == 0, mended.stderr
