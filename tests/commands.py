"""Run several commands of manage.py in one separate process, because starting Django is slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_RUN = """
import contextlib, io, json, sys, traceback
from mluvii_gdpr.command_line import run
for command in json.loads(sys.argv[1]):
    said, printed, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        try:
            run(["manage.py", *command])
        except SystemExit as left:
            code = left.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        except Exception:
            code = 1
            traceback.print_exc()
    print("\\0" + json.dumps([code, printed.getvalue(), said.getvalue()]))
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run_commands(
    *commands: str, python: tuple[str, ...] = (sys.executable,), **environment: str
) -> list[Done]:
    """Run commands in one process. Each command is one string."""
    done = run_program(
        _RUN, json.dumps([command.split() for command in commands]), python=python, **environment
    )
    return [Done(*json.loads(part.splitlines()[0])) for part in done.split("\0")[1:]]


def run_program(
    program: str, *arguments: str, python: tuple[str, ...] = (sys.executable,), **environment: str
) -> str:
    """Run the source of a Python program with the project's settings. Return its output."""
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "mluvii_gdpr.settings", **environment}
    done = subprocess.run(
        [*python, "-c", program, *arguments],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
