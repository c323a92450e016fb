"""Checkouts as an administrator has them, with a ``.venv`` and a ``var/`` of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What finds out where it is must be a copy; all else is linked.
_COPIED = ["mluvii_gdpr", "bin", "manage.py", "gunicorn.conf.py", "gunicorn.events.py"]
_LINKED = [
    "lib",
    "demo",
    "anonymization",
    "api",
    "webchat",
    "sessions_app",
    "locale",
    "locale_packages",
    "static",
    "templates",
]
# Those of the network do nothing.
_PROGRAMS = {
    "python": f'exec {sys.executable} "$@"',
    "gunicorn": f'exec {sys.executable} -m gunicorn "$@"',
    "pip": "exit 0",
    "git": "exit 0",
}


def make_checkout(folder: Path) -> Path:
    """Make a checkout of the product in a folder that does not exist yet; return the folder."""
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    for name in _LINKED:
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, line in _PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return folder


def run(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of shell in a checkout, in a shell that has nothing but these variables, until a line fails."""
    env = {
        "PATH": f"{folder}/.venv/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    return subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
