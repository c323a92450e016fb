"""Samples of the long runs of bin/torture."""

from __future__ import annotations

import os

import pytest
from django.db import connection

from tests.torture import fuzz
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
