"""Create many sessions quickly for the tests of staff pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from sessions_app.models import Session
from tests.factories import SessionFactory
from webchat.models import WebChat

#: Values that do not appear on a page by chance.
NAME, EMAIL, PHONE = "Žofie Canaryová", "zofie@canary.example", "+420 603 777 888"
#: Wrong values that people and tools send instead of an id.
BAD_VALUES = (
    "",
    "0",
    "-1",
    "1,2",
    "%",
    "null",
    "abc",
    "\0",
    "1\0",
    "\ud800",
    str(2**63),
    "9" * 5000,
    "' OR 1=1 --",
)


def make_rows(
    webchat: WebChat, count: int, *, at: datetime | None = None, **fields: Any
) -> list[Session]:
    """Store sessions one second apart, or all at a given moment. Return the newest first."""
    now = timezone.now()
    start = Session.objects.count()
    rows = [
        Session(
            webchat=webchat,
            channel="chat",
            language="en",
            created_at=at or now - timedelta(seconds=number),
            entry_key=f"entry {start + number}",
            **fields,
        )
        for number in range(count)
    ]
    return Session.objects.bulk_create(rows)


class CanaryFactory(SessionFactory):
    """A session of the person with unique values."""

    name, email, phone = NAME, EMAIL, PHONE
