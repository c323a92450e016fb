"""Run next to bench/erasure_worker.py on a loaded database: ``memory NAME`` or ``probe NAME``.

``memory`` anonymizes the expired sessions of the WebChat and prints the memory that it needed.

``probe`` writes messages until its standard input ends and prints its longest wait. It writes in
turns to open conversations and to the ones that the WebChat anonymizes next. The latter are closed,
so the message is refused, but only after the writer has had the lock.
"""

from __future__ import annotations

import random
import resource
import sys
import threading
import time
from contextlib import suppress
from io import StringIO

import django

django.setup()

from django.core.management import call_command  # noqa: E402  Django has to be set up before

from bench.erasure_load import RETENTION_DAYS  # noqa: E402
from bench.worker import say  # noqa: E402
from sessions_app.conversation import post_message  # noqa: E402
from sessions_app.lock import SessionClosed  # noqa: E402
from sessions_app.models import Party, Session, Status  # noqa: E402
from webchat.models import WebChat  # noqa: E402

#: The number of conversations, next to be anonymized, that the probe writes to.
NEXT = 2000


def memory(webchat: WebChat) -> None:
    WebChat.objects.filter(pk=webchat.pk).update(retention_days=RETENTION_DAYS)
    call_command("anonymize_expired", stdout=StringIO())
    WebChat.objects.filter(pk=webchat.pk).update(retention_days=None)
    sessions = Session.objects.filter(webchat=webchat)
    assert not sessions.filter(anonymized_in=None).exists()
    say(
        {
            "sessions": sessions.count(),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


def probe(webchat: WebChat) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    waits: list[float] = []
    open_now = list(Session.objects.exclude(status=Status.CLOSED))
    say({"ready": True})
    while not ended.is_set():
        expiring = Session.objects.filter(webchat=webchat, anonymized_in=None)
        waits += [
            _post(session)
            for session in _mixed(open_now, list(expiring.order_by("created_at")[:NEXT]))
        ]
    say({"longest": max(waits), "writes": len(waits)})


def _mixed(open_now: list[Session], expiring: list[Session]) -> list[Session]:
    return [random.choice(rows) for rows in (open_now, expiring) * 10 if rows]  # noqa: S311  no secret


def _post(session: Session) -> float:
    began = time.perf_counter()
    with suppress(SessionClosed):
        post_message(session, sender=Party.VISITOR, text="Are you still there?")
    return time.perf_counter() - began


if __name__ == "__main__":
    {"memory": memory, "probe": probe}[sys.argv[1]](WebChat.objects.get(name=sys.argv[2]))
