"""Cause one fault in an erasure: at a statement, a COMMIT, a storage call or a write to the copy.

The fault occurs before or after it. It is an exception, a full disk, or a lost connection, and the
connection is closed after it. The erasure is then untouched, complete, or committed with queued
files. A repetition completes it with one record, and the rows and files of other people are
unchanged. The same faults are tried while an erasure is redone whose commit was lost.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.core.files.storage import default_storage
from django.db import OperationalError, connection

from anonymization import engine, redo
from anonymization.ledger import external_copy
from tests.crashes import crash
from tests.torture.erasures import (
    COMMAND,
    Somebody,
    begin_anew,
    finish,
    ledger_problem,
    make_somebody,
    others,
    rows_changed,
    state_of,
    throw_connection_away,
)
from tests.torture.work import Trial

SUBJECTS = ("guest", "session")
ACTS = ("erasure", "redo")
FAULTS = ("exception", "disk full", "lost connection")
#: More than the places in an erasure. A batch ends when a trial had no fault.
_PLACES = 500
#: A long run tries every place. A sample tries every seventh.
STEP = 1


class Injector:
    """Counts the places where a fault is possible, and fails at one of them. 0 means none."""

    def __init__(self, fault: str, at: int) -> None:
        self.fault, self.at, self.place = fault, at, 0

    def around(self, call: Callable[[], Any], *, of_database: bool) -> Any:
        self._pass(of_database=of_database)
        result = call()
        self._pass(of_database=of_database)
        return result

    def _pass(self, *, of_database: bool) -> None:
        self.place += 1
        if self.place != self.at:
            return
        if self.fault == "exception":
            raise RuntimeError("injected")
        if not of_database:
            raise OSError(
                errno.ENOSPC if self.fault == "disk full" else errno.ECONNRESET, "injected"
            )
        if self.fault == "lost connection":
            connection.connection.close()
        raise OperationalError("injected")

    @property
    def met(self) -> bool:
        return 0 < self.at <= self.place


@contextmanager
def injected(injector: Injector) -> Iterator[None]:
    """Pass all work of an erasure through the injector."""
    commit, storage = connection._commit, default_storage._wrapped  # type: ignore[attr-defined]

    def on_database(call: Callable[[], Any]) -> Any:
        return injector.around(call, of_database=True)

    def on_storage(name: str) -> Any:
        original = getattr(storage, name)
        return patch.object(
            storage, name, lambda *args: injector.around(lambda: original(*args), of_database=False)
        )

    class Os:
        """The module ``os``, with writes that pass through the injector."""

        def __getattr__(self, name: str) -> Any:
            original = getattr(os, name)
            if name not in {"write", "fsync"}:
                return original
            return lambda *args: injector.around(lambda: original(*args), of_database=False)

    with ExitStack() as stack:
        stack.enter_context(
            connection.execute_wrapper(lambda execute, *args: on_database(lambda: execute(*args)))
        )
        stack.enter_context(patch.object(connection, "_commit", lambda: on_database(commit)))
        for name in ("exists", "delete"):
            stack.enter_context(on_storage(name))
        stack.enter_context(patch.object(external_copy, "os", Os()))
        yield


def trials(batch: int) -> Iterator[Trial]:
    """Try one fault at each place in turn, for one kind of subject and of fault."""
    kind, fault, act = SUBJECTS[batch % 2], FAULTS[batch // 2 % 3], ACTS[batch // 6 % 2]
    webchat = begin_anew()
    for at in range(1, _PLACES, STEP):
        # Every second round, it is the guest's last session, so that the guest is erased too.
        somebody = make_somebody(webchat, sessions=1 + (batch // 12 + (kind == "guest")) % 2)
        met, failure = trial(somebody, kind, Injector(fault, at), act)
        if not met:
            return
        yield f"{connection.vendor} {act} of a {kind}, {fault}", failure


def trial(somebody: Somebody, kind: str, injector: Injector, act: str) -> tuple[bool, str]:
    """Erase with a fault, check, repeat, and check again.

    Returns whether there was a fault, and what is wrong.
    """
    subject = somebody.subject(kind)
    shown = (
        somebody.files
        if kind == "guest"
        else {a.file.name for a in somebody.sessions[0].attachments.all()}
    )
    before, files_before = others(somebody)
    if act == "redo":
        with crash():
            engine.erase(subject, requester=COMMAND)
    try:
        with injected(injector):
            if act == "redo":
                redo.carry_out()
            else:
                engine.erase(subject, requester=COMMAND)
    except Exception:
        # This includes Django's error if it cannot end the transaction of a lost connection.
        if not injector.met:
            raise
    finally:
        throw_connection_away()
    state = state_of(subject, shown)
    if state not in {"untouched", "complete", "files queued"}:
        return injector.met, f"place {injector.at}: {state}"
    finish(somebody.subject(kind))
    again = state_of(subject, shown)
    problem = (
        again if again != "complete" else ledger_problem() or rows_changed(before, somebody, kind)
    )
    if not problem and others(somebody)[1] != files_before:
        problem = "files of others changed"
    return injector.met, f"place {injector.at}, {state}, then {problem}" if problem else ""
