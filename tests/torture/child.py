"""Control a process of a long run with JSON lines on its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class Child(AbstractContextManager["Child"]):
    """Starts ``python -m module`` with a database. ``said`` is the file of its standard error."""

    def __init__(self, module: str, *, said: Path, **environment: str) -> None:
        self.said = said
        with said.open("w") as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=os.environ | {"DJANGO_SETTINGS_MODULE": "mluvii_gdpr.settings"} | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )

    def send(self, question: Any) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def receive(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._died()
        return json.loads(line)

    def _died(self) -> RuntimeError:
        return RuntimeError(f"{self.process.args!r} died:\n{self.said.read_text()[-3000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.communicate(timeout=60)
