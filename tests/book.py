"""Make an installation with the commands of the documents, in a separate folder.

The commands run as printed. Only paths, the names of role and database, and the secrets of the
example are replaced.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from bench.postgres import drop_database, drop_role, programs, with_database

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
#: Files of a checkout that are for development, and generated files.
_NOT_INSTALLED = (".*", "var", "tests", "docs", "bench")
_PASSWORD = "secret"


def blocks(document: str, language: str, *, heading: str = "") -> list[str]:
    """Return the code blocks of a language, in the whole document or directly below a heading."""
    found, current = [], ""
    prose_and_code = re.split(r"^```", (DOCS / document).read_text(), flags=re.M)
    for prose, code in zip(prose_and_code[::2], prose_and_code[1::2], strict=False):
        current = [current, *re.findall(r"^#+ (.+)$", prose, re.M)][-1]
        if code.startswith(f"{language}\n") and heading in ("", current):
            found.append(code.partition("\n")[2])
    assert found, f"{document} has no {language} below {heading or 'any heading'}"
    return found


class Installation:
    """A checkout with its environment file, database and folders, all below one folder.

    Programs that need accounts or services of the machine are replaced. ``runuser`` changes the user
    for PostgreSQL only. ``chown`` and ``systemctl`` only record their arguments.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = folder / "srv" / "app"
        self.media = folder / "srv" / "media"
        self.ledger = folder / "ledger"
        self.name = f"book_{os.getpid()}_{secrets.token_hex(4)}"
        self._environment_file = folder / "mluvii-gdpr.env"
        self._stand_ins = folder / "bin"

    def run(
        self, script: str, *, root: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run documented commands with ``sh``, as the service account or as root, like cron."""
        bare = {"PATH": self._path(), "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return subprocess.run(
            ["sh", "-c", self.in_place(script)],
            cwd=self.app,
            env=bare | ({} if root else self._postgresql(self.database_url)) | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, arguments: str) -> str:
        """Run a management command in the documented environment and return its output."""
        return self._output_of(self._python(f"manage.py {arguments}"))

    def visitors(self, *names: str) -> dict[str, Any]:
        """Let visitors enter, and return the installation's data (``tests.visitors``)."""
        report: dict[str, Any] = json.loads(self._output_of(self.command_of_visitors(*names)))
        return report

    def command_of_visitors(self, *names: str) -> str:
        return self._python(f"-m tests.visitors {' '.join(names)}")

    def _python(self, arguments: str) -> str:
        """Return a command that runs Python in the documented environment from any folder."""
        environment = f"set -a; . /etc/mluvii-gdpr.env; PYTHONPATH={self.app}:{ROOT}"
        return f"(cd /srv/mluvii-gdpr/app; {environment}; .venv/bin/python {arguments})"

    def _output_of(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def in_place(self, text: str) -> str:
        """Return a documented text with this installation's paths and names."""
        for printed, real in (
            ("/etc/mluvii-gdpr.env", str(self._environment_file)),
            ("/srv/mluvii-gdpr", str(self.folder / "srv")),
            ("/srv/ledger", str(self.ledger)),
            ("mluvii_gdpr", self.name),
        ):
            text = re.sub(rf"{re.escape(printed)}\b", real, text)
        return re.sub(r"\b(ROLE|OWNER) mluvii\b", rf"\1 {self.name}", text)

    @property
    def database_url(self) -> str:
        if connection.vendor == "sqlite":
            return f"sqlite:///{self.app}/var/db.sqlite3"
        url = urlsplit(with_database(os.environ["DATABASE_URL"], self.name))
        host = url.netloc.rpartition("@")[2]
        return urlunsplit(url._replace(netloc=f"{quote(self.name)}:{_PASSWORD}@{host}"))

    def make(self) -> None:
        """Install as documented, without steps that need network, terminal or services."""
        shutil.copytree(ROOT, self.app, ignore=shutil.ignore_patterns(*_NOT_INSTALLED))
        (self.app / ".venv").symlink_to(sys.prefix)
        for folder in (self.media, self.ledger):
            folder.mkdir(mode=0o700)
        if connection.vendor == "postgresql":
            self._create_database()
        self._write_environment()
        self._write_stand_ins()
        done = self.run("set -eu\n" + "\n".join(_commands_of_installing()))
        assert done.returncode == 0, done.stderr

    def delete(self) -> None:
        if connection.vendor == "postgresql":
            url = os.environ["DATABASE_URL"]
            drop_database(url, self.name)
            drop_role(url, self.name)

    def _create_database(self) -> None:
        (statements,) = blocks("configuration.md", "sql", heading="PostgreSQL")
        url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
        with psycopg.connect(url, autocommit=True) as superuser:
            for statement in self.in_place(statements).splitlines():
                superuser.execute(statement.encode())

    def _write_environment(self) -> None:
        (example,) = [b for b in blocks("configuration.md", "sh") if b.startswith("DEBUG=off")]
        own = {
            "SECRET_KEY": secrets.token_urlsafe(64),
            "EVIDENCE_KEY": secrets.token_urlsafe(64),
            "DATABASE_URL": self.database_url,
            "ERASURE_LEDGER_DIR": str(self.ledger),
        }
        lines = [
            line
            for line in self.in_place(example).splitlines()
            if line.partition("=")[0] not in own
        ]
        lines += [f"{name}={shlex.quote(value)}" for name, value in own.items()]
        self._environment_file.write_text("\n".join(lines) + "\n")
        self._environment_file.chmod(0o600)

    def asked(self) -> list[str]:
        """Return the calls of ``chown`` and ``systemctl`` so far."""
        return (self._stand_ins / "asked").read_text().splitlines()

    def _path(self) -> str:
        url = os.environ.get("DATABASE_URL", "")
        postgresql = programs(url) if connection.vendor == "postgresql" else []
        return os.pathsep.join(
            map(str, (self._stand_ins, *postgresql, "/usr/local/bin", "/usr/bin", "/bin"))
        )

    def _write_stand_ins(self) -> None:
        self._stand_ins.mkdir()
        users = {"mluvii": self.database_url, "postgres": os.environ.get("DATABASE_URL", "")}
        for user, url in users.items():
            variables = self._postgresql(url).items()
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables]
            (self._stand_ins / user).write_text("".join(lines))
        scripts = {
            "runuser": f'. "{self._stand_ins}/$2"\nshift 3\nexec "$@"\n',
            "chown": f'echo chown "$@" >>"{self._stand_ins}/asked"\n',
            "systemctl": f'echo systemctl "$@" >>"{self._stand_ins}/asked"\n',
        }
        for name, lines in scripts.items():
            (self._stand_ins / name).write_text(f"#!/bin/sh\n{lines}")
            (self._stand_ins / name).chmod(0o755)

    @staticmethod
    def _postgresql(url: str) -> dict[str, str]:
        """Return the variables for PostgreSQL's login. On Debian, the user's name is enough."""
        if connection.vendor != "postgresql":
            return {}
        known = conninfo_to_dict(url.replace("postgres://", "postgresql://", 1))
        names = ("host", "port", "user", "password")
        return {f"PG{name.upper()}": str(known[name]) for name in names if known.get(name)}


def _commands_of_installing() -> list[str]:
    """Return the documented commands that need no network, terminal or service manager."""
    left_out = re.compile(r"\b(pip install|createsuperuser|gunicorn)\b")
    (commands,) = [b for b in blocks("configuration.md", "sh") if "manage.py migrate" in b]
    if connection.vendor == "sqlite":  # the system check warns of this, as documented
        commands = commands.replace(" --fail-level WARNING", "")
    return [line for line in commands.splitlines() if not left_out.search(line)]


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Make an installation, and remove it at the end."""
    made = Installation(folder)
    try:
        made.make()
        yield made
    finally:
        made.delete()
