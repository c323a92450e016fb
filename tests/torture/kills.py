"""``kill -9`` of a process that erases guests one after another, at random moments.

After each kill every guest is untouched, complete, or committed with files queued, and the chain holds. The next
process goes on with them; in the end everybody is erased, with one record each, and the external copy is even.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

from django.db import connection, connections

from anonymization import engine, restoration
from sessions_app.models import Guest
from tests.torture.erasures import (
    COMMAND,
    Somebody,
    begin_anew,
    chain_problem,
    finish,
    ledger_problem,
    make_somebody,
    state_of,
)
from tests.torture.work import Trial

GUESTS = 25
#: In seconds: longer than an erasure takes.
_LIVES_FOR = 0.06


def trials(batch: int) -> Iterator[Trial]:
    """Kill processes until one has erased everybody."""
    chance = random.Random(batch)  # noqa: S311  no secret
    webchat = begin_anew()
    people = [make_somebody(webchat, sessions=1 + number % 2) for number in range(GUESTS)]
    killed, lives_for = True, _LIVES_FOR
    while killed:
        left = set(Guest.objects.filter(anonymized_at=None).values_list("pk", flat=True))
        to_erase = [somebody for somebody in people if somebody.guest.pk in left]
        killed = _kill_one(to_erase, after=chance.uniform(0, lives_for))
        lives_for *= 1.1  # on a slow machine, hundreds of processes died before they did anything
        if killed:
            yield f"{connection.vendor} kill", _problem(people)
    yield f"{connection.vendor} the end", _problem_at_the_end(people)


def _kill_one(people: list[Somebody], *, after: float) -> bool:
    """Start a process that erases everybody, and kill it; return whether it was killed before its end."""
    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]
    beginning, begun = os.pipe()
    process = os.fork()
    if process == 0:
        _erase_all(people, begun)
    os.close(begun)
    os.read(beginning, 1)
    os.close(beginning)
    time.sleep(after)
    os.kill(process, signal.SIGKILL)
    _pid, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def _erase_all(people: list[Somebody], begun: int) -> None:
    """Erase everybody in a process of its own, and leave it without a word."""
    code = 1
    try:
        connection.ensure_connection()
        os.write(begun, b"!")
        for somebody in people:
            engine.erase(somebody.subject("guest"), requester=COMMAND)
        code = 0
    finally:
        os._exit(code)


def _problem(people: list[Somebody]) -> str:
    for somebody in people:
        state = state_of(somebody.guest, somebody.files)
        if state not in {"untouched", "complete", "files queued"}:
            return state
    return chain_problem()


def _problem_at_the_end(people: list[Somebody]) -> str:
    for somebody in people:
        finish(somebody.subject("guest"))
        state = state_of(somebody.guest, somebody.files)
        if state != "complete":
            return state
    left = len(restoration.plan().entries)
    return ledger_problem() or (f"{left} intents are open" if left else "")
