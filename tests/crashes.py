"""Simulate a crash in the middle of an erasure, without ending the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import Error, OperationalError, connection


@contextmanager
def crash() -> Iterator[None]:
    """Lose the connection at the first COMMIT, like a process that dies. The intent stays open."""

    def lost() -> None:
        connection.connection.close()
        raise OperationalError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "_commit", lost)
        try:
            yield
        except Error:
            connection.close()
    # SQLite keeps its lock until the last statement is released. The exception's frames refer to it
    gc.collect()
