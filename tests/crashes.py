"""A crash in the middle of an erasure, without a process that dies."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import Error, OperationalError, connection


@contextmanager
def crash() -> Iterator[None]:
    """Lose the connection at the first COMMIT, as a process that dies does: the intent stays open."""

    def lost() -> None:
        connection.connection.close()
        raise OperationalError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "_commit", lost)
        try:
            yield
        except Error:
            connection.close()
    gc.collect()  # SQLite's lock ends with the last statement, which the exception's frames refer to
