"""Samples of the long runs of bin/torture."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.torture import faults, fuzz, kills, races
from tests.torture.progress import Progress


@pytest.mark.postgresql
def test_made_up_requests_get_one_verdict_on_both_databases() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("compares with a PostgreSQL")
    progress = Progress("fuzz", trials=90, unit="requests", keep=False)
    fuzz.run(progress, url=os.environ["DATABASE_URL"], size=30)
    assert progress.failures == []
    assert set(progress.tried) == {"described", "hostile", "token"}
    assert progress.passed


@pytest.fixture
def ledger(settings: Any, tmp_path: Path) -> None:
    settings.ERASURE_LEDGER_DIR = tmp_path


def failures(trials: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(kind, failure) for kind, failure in trials if failure]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "batch",
    [1, 2, 6, 11],
    ids=[
        "exceptions in a session's",
        "full disks in a guest's",
        "exceptions in a guest's redo",
        "lost connections in a session's redo",
    ],
)
def test_an_erasure_with_a_fault_is_whole_or_nothing(
    ledger: None, monkeypatch: Any, batch: int
) -> None:
    monkeypatch.setattr(faults, "STEP", 13)
    tried = list(faults.trials(batch))
    assert len(tried) > 4
    assert failures(tried) == []


@pytest.mark.django_db(transaction=True)
def test_a_killed_process_leaves_nothing_half_done(ledger: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(kills, "GUESTS", 3)
    assert failures(kills.trials(1)) == []


@pytest.mark.django_db(transaction=True)
def test_no_writer_outruns_an_erasure(ledger: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(races, "ROUNDS", 3)
    tried = list(races.trials(1))
    assert len(tried) == 3 * (len(races.WRITERS) + 2) + 1
    assert failures(tried) == []
