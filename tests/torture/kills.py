"""Kill a process with SIGKILL while it erases guests, at random moments.

After each kill, every guest is untouched, complete, or committed with queued files, and the chain
is valid. The next process first completes what was interrupted, and may be killed while it does. At
the end everybody is erased, with one record each, and the external copy matches. Erasures that were
completed from their intent are counted.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Iterator

from django.db import connection, connections

from anonymization import engine, restoration
from anonymization.models import Erasure, Source
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
#: In seconds. Longer than an erasure and the completion of an interrupted one.
_LIVES_FOR = 0.2


def trials(batch: int) -> Iterator[Trial]:
    """Kill processes until one of them has erased everybody."""
    chance = random.Random(batch)  # noqa: S311  no secret
    webchat = begin_anew()
    people = [make_somebody(webchat, sessions=1 + number % 2) for number in range(GUESTS)]
    killed, lives_for = True, _LIVES_FOR
    while killed:
        left = set(Guest.objects.filter(anonymized_in=None).values_list("pk", flat=True))
        to_erase = [somebody for somebody in people if somebody.guest.pk in left]
        # Every second process dies at a COMMIT of an erasure, or of its completion.
        commits = chance.randint(1, 6) if chance.random() < 0.5 else 0
        killed = _kill_one(to_erase, after=chance.uniform(0, lives_for), commits=commits)
        # on a slow machine, hundreds of processes died before they erased anything
        lives_for *= 1.1
        if killed:
            yield f"{connection.vendor} kill", _problem(people)
    yield f"{connection.vendor} the end", _problem_at_the_end(people)
    for _redone in range(Erasure.objects.filter(door=Source.REDO).of_people().count()):
        yield f"{connection.vendor} redone", ""


def _kill_one(people: list[Somebody], *, after: float, commits: int) -> bool:
    """Start a process that erases everybody, and kill it. Return whether it was killed in time.

    With ``commits``, it kills itself at the COMMIT of this number instead.
    """
    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]
    beginning, begun = os.pipe()
    process = os.fork()
    if process == 0:
        _erase_all(people, begun, commits=commits)
    os.close(begun)
    os.read(beginning, 1)
    os.close(beginning)
    if not commits:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    _pid, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def _erase_all(people: list[Somebody], begun: int, *, commits: int) -> None:
    """Erase everybody in a separate process, without output."""
    code = 1
    try:
        connection.ensure_connection()
        _die_at(commits)
        os.write(begun, b"!")
        for somebody in people:
            engine.erase(somebody.subject("guest"), requester=COMMAND)
        code = 0
    finally:
        os._exit(code)


def _die_at(number: int) -> None:
    """Let this process kill itself at its COMMIT of this number. 0 means never."""
    commit, numbers = connection._commit, itertools.count(1)

    def commit_or_die() -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        commit()

    connection._commit = commit_or_die


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
