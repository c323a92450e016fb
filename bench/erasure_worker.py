"""Load one database, then answer each line of standard input with a measurement."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from itertools import chain, repeat
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  Django has to be set up before
from django.core.management import call_command, get_commands  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.utils import timezone  # noqa: E402

from anonymization import engine  # noqa: E402
from anonymization.ledger import recording  # noqa: E402
from anonymization.ledger.chain import Head, verify  # noqa: E402
from anonymization.models import Erasure, Source  # noqa: E402
from anonymization.policy import registry  # noqa: E402
from bench import by_hand  # noqa: E402
from bench.erasure_load import RETENTION_DAYS, SUBJECTS, first_subject, load  # noqa: E402
from bench.worker import say  # noqa: E402
from lib.days import start_of  # noqa: E402
from sessions_app.models import Guest, Session  # noqa: E402
from webchat.models import WebChat  # noqa: E402

CHAT_TABLES = ("sessions_app_", "webchat_")
COMMAND = "anonymize_expired"
#: The values that become the same in every measured session. All other values are kept as they are,
#: or kept if shared.
OWN = {"created_at", "ended_at", "operator", "duration"}
LEFT = [name for name in registry.get(Session).erase if name not in OWN]


class Undone(Exception):
    """Rolls back an erasure that is only measured."""


class Statements:
    """Counts the statements, and the buffers that the statements on chat tables touch.

    The buffers are those of EXPLAIN ANALYZE without the planning, because the planner reads more or
    less of the catalogue depending on earlier statements. EXPLAIN ANALYZE executes a statement. The
    statement is therefore explained first, undone, and then executed again.
    """

    def __init__(self) -> None:
        self.all = self.on_chat = self.buffers = 0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict
    ) -> Any:
        self.all += 1
        if any(table in sql for table in CHAT_TABLES):
            self.on_chat += 1
            self.buffers += self._explained(execute, sql, params, many, context)
        return execute(sql, params, many, context)

    def _explained(self, execute: Callable[..., Any], sql: str, *rest: Any) -> int:
        raw, context = connection.connection, rest[-1]
        raw.execute("SAVEPOINT before_it")
        execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", *rest)
        ((explained,),) = context["cursor"].fetchall()
        raw.execute("ROLLBACK TO SAVEPOINT before_it")
        (root,) = explained
        return int(root["Plan"]["Shared Hit Blocks"] + root["Plan"]["Shared Read Blocks"])


class Transactions:
    """Measures the duration of the transactions of this process, from BEGIN to COMMIT."""

    def __init__(self) -> None:
        self.longest = self._began = 0.0
        self._set = connection.set_autocommit
        connection.set_autocommit = self._watched  # type: ignore[method-assign]

    def _watched(self, autocommit: bool, **options: Any) -> None:
        if autocommit:
            self.longest = max(self.longest, time.perf_counter() - self._began)
        self._began = time.perf_counter()
        self._set(autocommit, **options)


class Guests:
    """Erasures of guests. Each erasure takes the next guest with a given number of sessions."""

    def __init__(self) -> None:
        self.left: tuple[Any, ...] = ()
        self.fresh: dict[int, Iterator[int]] = {
            size: iter(range(first_subject(size), first_subject(size) + number))
            for size, number in SUBJECTS.items()
        }

    def measure(self, way: str, size: int) -> dict[str, float]:
        """Erase a guest twice.

        The first erasure is rolled back. It counts the statements and loads the pages into memory.
        """
        guest = Guest.objects.get(pk=next(self.fresh[size]))
        ways: dict[str, Callable[[Guest], None]] = {
            "engine": _by_engine,
            "sql": by_hand.erase,
            "loop": by_hand.erase_in_a_loop,
        }
        statements = Statements()
        if way != "loop":
            _undo(ways[way], guest)
            with connection.execute_wrapper(statements):
                _undo(ways[way], guest)
        # Autovacuum would do this. Otherwise each erasure would read the dead index entries of
        # those before it.
        connection.cursor().execute("VACUUM sessions_app_session")
        gc.collect()
        sessions = list(guest.sessions.values_list("pk", flat=True))
        began = time.perf_counter()
        ways[way](guest)
        elapsed = time.perf_counter() - began
        self.check_erased(guest, sessions)
        return {"ms": elapsed * 1000} | vars(statements)

    def check_erased(self, guest: Guest, sessions: list[int]) -> None:
        """Check that all candidates delete the same data, in one record, and keep the same."""
        guest.refresh_from_db()
        assert guest.anonymized_in is not None
        assert not guest.sessions.exists()
        newest = Erasure.objects.first()
        assert newest is not None
        assert newest.rows == len(sessions) + 1
        assert newest.facts_hold
        erased = Session.objects.filter(pk__in=sessions).exclude(anonymized_in=None)
        assert erased.count() == len(sessions)
        assert not erased.filter(messages__isnull=False).exists()
        (left,) = erased.order_by().values_list(*LEFT).distinct()
        self.left = self.left or left
        assert left == self.left


def _by_engine(guest: Guest) -> None:
    engine.erase(guest, requester=recording.Requester(Source.COMMAND))


def _undo(erase: Callable[[Guest], None], guest: Guest) -> None:
    try:
        with recording.erasing():
            erase(guest)
            raise Undone
    except Undone:
        pass


class Retention:
    """Anonymization of the expired sessions of one WebChat.

    The command and the hand-written SQL use chunks of the same size.
    """

    def __init__(self) -> None:
        self.transactions = Transactions()
        self.chunks: list[int] = [1000]

    def measure(self, way: str, name: str) -> dict[str, float]:
        webchat = WebChat.objects.get(name=name)
        gc.collect()
        self.transactions.longest = 0.0
        began = time.perf_counter()
        done = self._by_command(webchat) if way == "engine" else self._by_hand(webchat)
        elapsed = time.perf_counter() - began
        left = Session.objects.filter(webchat=webchat, anonymized_in=None)
        if way == "engine" and left.exists():
            self._by_command(
                webchat
            )  # sessions that the probe had locked are left to the next run and not counted
        assert done
        assert not left.exists()
        return {
            "seconds": elapsed,
            "sessions": done,
            "longest": self.transactions.longest,
            "chunk": max(self.chunks),
        }

    def _by_command(self, webchat: WebChat) -> int:
        before = Erasure.objects.count()
        WebChat.objects.filter(pk=webchat.pk).update(retention_days=RETENTION_DAYS)
        call_command(COMMAND, stdout=StringIO())
        WebChat.objects.filter(pk=webchat.pk).update(retention_days=None)
        # The records of one transaction have the same time.
        chunks = Erasure.objects.filter(number__gt=before, door=Source.RETENTION).values_list(
            "created_at"
        )
        self.chunks = [n for _at, n in chunks.annotate(Count("pk")).order_by("created_at")]
        return sum(self.chunks)

    def _by_hand(self, webchat: WebChat) -> int:
        chunks = chain(self.chunks, repeat(max(self.chunks)))
        return by_hand.erase_expired(webchat.pk, before=expired_before(), chunks=chunks)


def expired_before() -> datetime:
    now = timezone.now()
    return start_of(
        "day", now - timedelta(days=RETENTION_DAYS), str(timezone.get_default_timezone())
    )


def _check_ledger() -> dict[str, Any]:
    """Check that all records are chained, also those of the hand-written SQL and of the loop."""
    head = verify(record.entry for record in Erasure.objects.order_by("number").iterator())
    assert head != Head()
    return {"records": head.sequence}


def main() -> None:
    messages = int(sys.argv[1])
    started = time.perf_counter()
    call_command("migrate", verbosity=0)
    operators = [User.objects.create(username=f"operator{number}") for number in range(8)]
    load(messages, first_operator=operators[0].pk)
    took = time.perf_counter() - started
    say(
        {
            "ready": f"{messages:,} messages loaded in {took:.0f} s",
            "retention": COMMAND in get_commands(),
        }
    )
    guests, retention = Guests(), Retention()
    for line in sys.stdin:
        asked = json.loads(line)
        kind, _, way = asked["page"].partition(" ")
        if kind == "guest":
            say(guests.measure(way, asked["variant"]))
        elif kind == "expired":
            say(retention.measure(way, asked["variant"]))
        else:
            say(_check_ledger())


if __name__ == "__main__":
    main()
