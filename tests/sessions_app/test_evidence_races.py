"""Evidence is anchored while visitors enter, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client

from sessions_app.evidence import anchors
from sessions_app.models import ConsentEvent, EvidenceAnchor
from tests.factories import SessionFactory, make_ticket
from tests.pages import COMPLETE, entry_url
from tests.races import at_once
from webchat.models import WebChat

pytestmark = pytest.mark.django_db(transaction=True)

postgresql_only = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def run(command: str) -> str:
    printed = StringIO()
    try:
        call_command(command, stdout=printed)
    finally:
        connections.close_all()
    return printed.getvalue()


class Slow:
    """A visitor whose transaction has stored the event and stays open until ``commit``."""

    def __init__(self, webchat: WebChat) -> None:
        self._stored, self._go_on = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._entered = self._pool.submit(self._enter, webchat)
        assert self._stored.wait(timeout=30)

    def _enter(self, webchat: WebChat) -> None:
        try:
            with transaction.atomic():
                SessionFactory(webchat=webchat, email="slow@example.com")
                self._stored.set()
                assert self._go_on.wait(timeout=60)
        finally:
            connections.close_all()

    def commit(self) -> None:
        self._go_on.set()
        self._entered.result(timeout=30)
        self._pool.shutdown()


def wait_for_a_poll(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return an event that is set when a run has found an open transaction and looks again."""
    polled, original = threading.Event(), anchors._writers

    def writers() -> set[str]:
        found = original()
        if writers_seen and found:
            polled.set()
        writers_seen.append(found)
        return found

    writers_seen: list[set[str]] = []
    monkeypatch.setattr(anchors, "_writers", writers)
    return polled


@postgresql_only
def test_an_event_that_commits_late_is_anchored_and_nobody_waits(
    webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(webchat)
    SessionFactory(webchat=webchat, email="quick@example.com")
    polled = wait_for_a_poll(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        anchoring: Future[str] = pool.submit(run, "anchor_evidence")
        assert polled.wait(timeout=30), "it does not wait for the open transaction"
        SessionFactory(webchat=webchat, email="third@example.com")
        assert not anchoring.done()
        slow.commit()
        assert anchoring.result(timeout=30).startswith("Anchored events: 2.")
    assert ConsentEvent.objects.count() == 3
    assert EvidenceAnchor.objects.get().count == 2
    assert "Not anchored yet: 1." in run("verify_ledger")


@postgresql_only
def test_without_waiting_the_late_event_would_look_like_an_added_one(
    webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is the control of the test above."""
    monkeypatch.setattr(anchors, "_writers", set)
    slow = Slow(webchat)
    SessionFactory(webchat=webchat, email="quick@example.com")
    run("anchor_evidence")
    slow.commit()
    with pytest.raises(CommandError, match="1 were added after they were anchored"):
        run("verify_ledger")


@postgresql_only
def test_a_transaction_that_stays_open_is_not_waited_for_without_end(
    webchat: WebChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "WAIT", timedelta(0))
    slow = Slow(webchat)
    try:
        with pytest.raises(CommandError, match=r"stays open\. Run it again\. Nothing was"):
            run("anchor_evidence")
    finally:
        slow.commit()
    assert run("anchor_evidence").startswith("Anchored events: 1.")


def test_anchors_and_verifications_beside_many_visitors_find_nothing_wrong(
    webchat: WebChat,
) -> None:
    def enter(_number: int) -> None:
        for _time in range(4):
            answer: Any = Client().post(
                entry_url(webchat), {"ticket": make_ticket(webchat), **COMPLETE}
            )
            assert answer.status_code == 302

    def work(command: str) -> None:
        for _time in range(4):
            run(command)

    actors = [partial(enter, number) for number in range(4)]
    results = at_once([*actors, partial(work, "anchor_evidence"), partial(work, "verify_ledger")])
    assert results == [None] * 6
    run("anchor_evidence")
    assert "genuine: 16 events. Not anchored yet: 0." in run("verify_ledger")


def test_of_two_runs_at_once_one_anchors(webchat: WebChat) -> None:
    SessionFactory(webchat=webchat)
    results = at_once([partial(run, "anchor_evidence")] * 2)
    refused = [result for result in results if isinstance(result, Exception)]
    assert len(refused) < 2
    assert all("Another run has anchored" in str(one) for one in refused)
    assert EvidenceAnchor.objects.count() == 1
    assert "Not anchored yet: 0." in run("verify_ledger")
