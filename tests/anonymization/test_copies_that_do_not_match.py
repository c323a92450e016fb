"""Test that no erasure appends to an external copy that ends elsewhere than the database.

No erasure repairs such a copy either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from anonymization import restoration
from anonymization.ledger import external_copy, recording
from anonymization.models import Source
from api.models import Right
from mluvii_gdpr import readiness
from sessions_app.models import Session
from tests.anonymization.test_ledger import chain
from tests.api.conftest import Caller, token_for
from tests.database import digest
from tests.factories import ApiClientFactory, ErasureFactory, SessionFactory, WebChatFactory
from tests.pages import LogIn

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = recording.Requester(Source.COMMAND)
#: The number of records of the database: the beginning of the copy and two erasures.
RECORDS = 3


@pytest.fixture
def copy(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Return a copy of three records. The readiness check has found that it matches."""
    settings.ERASURE_LEDGER_DIR = tmp_path
    restoration.begin_copy(requester=COMMAND)
    for session in SessionFactory.create_batch(2, webchat=WebChatFactory(), new_guest=True):
        ErasureFactory(subject=session)
    readiness.ledger.forget()
    assert readiness.ledger_problems() == []
    yield tmp_path / external_copy.FILE
    readiness.ledger.forget()


def cut(lines: int) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        copy.write_text("".join(copy.read_text().splitlines(keepends=True)[:-lines]))

    return change


def another(records: int) -> Callable[[Path], None]:
    """Return a function that replaces the copy with that of another ledger."""

    def change(copy: Path) -> None:
        copy.unlink()
        external_copy.begin(copy, entries=chain(records))

    return change


def add(line: str) -> Callable[[Path], None]:
    return lambda copy: copy.write_text(f"{copy.read_text()}{line}\n") and None


def begun_before_the_variable_was_set(copy: Path) -> None:
    """The copy lacks an erasure by a process that had no external copy configured."""
    cut(2)(copy)


BAD: dict[str, Callable[[Path], None]] = {
    "empty": lambda copy: copy.write_text("") and None,
    # Without its seal, the intent of a committed record still ends the chain.
    "cut by two lines": cut(2),
    "cut by three lines": cut(3),
    "garbage": lambda copy: copy.write_text("garbage\n") and None,
    "garbage at the end": add("garbage"),
    "a seal of nothing": add('{"seal":{"hash":"x","sequence":9}}'),
    "foreign and shorter": another(RECORDS - 1),
    "foreign and equal": another(RECORDS),
    "foreign and longer": another(RECORDS + 1),
}


def by_page(session: Session, log_in: LogIn) -> str:
    page = log_in("support").get(f"/sessions/{session.pk}/anonymize/")
    shown = {f"shown-{name}": count for name, count in page.context["shown"]}
    answer = log_in("support").post(f"/sessions/{session.pk}/anonymize/", shown)
    assert answer.status_code == 409
    return answer.content.decode()


def by_command(session: Session, log_in: LogIn) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("anonymize_session", str(session.pk))
    return str(refused.value)


def by_retention(session: Session, log_in: LogIn) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("anonymize_expired", stdout=StringIO())
    return str(refused.value)


def by_api(session: Session, log_in: LogIn) -> str:
    caller = Caller(token_for(ApiClientFactory(rights=Right.values)))
    answer = caller.post(f"/api/v1/Sessions/{session.pk}/anonymize")
    assert answer.status_code == 409
    return str(answer.json()["detail"])


@pytest.fixture
def session() -> Session:
    """Return a session whose retention period is over."""
    webchat = WebChatFactory(retention_days=30)
    session: Session = SessionFactory(webchat=webchat, ended=True)
    old = timezone.now() - timedelta(days=60)
    Session.objects.filter(pk=session.pk).update(created_at=old, ended_at=old)
    return session


def rows() -> dict[str, set[str]]:
    """Return digests of the data that an erasure could change.

    A login changes other tables, and the report of a failed run of retention is not such data.
    """
    return {
        table: found
        for table, found in digest().items()
        if table.startswith(("sessions_app", "anonymization"))
        if table != "anonymization_lastrun"
    }


@pytest.mark.parametrize("source", [by_page, by_command, by_retention, by_api])
@pytest.mark.parametrize("damage", BAD.values(), ids=BAD)
def test_nothing_is_erased_and_nothing_heals(
    copy: Path,
    session: Session,
    log_in: LogIn,
    damage: Callable[[Path], None],
    source: Callable[[Session, LogIn], str],
) -> None:
    damage(copy)
    before, text = rows(), copy.read_text()
    said = (
        "The external copy of the erasure ledger does not match the database. Nothing was erased."
    )
    assert said in source(session, log_in)
    assert (rows(), copy.read_text()) == (before, text)
    readiness.ledger.forget()
    assert Client().get("/readyz").json()["problems"][-1] in {"ledger.foreign", "ledger.behind"}
    assert Client().get("/").status_code == 503
    with pytest.raises(CommandError):
        call_command("verify_ledger", stdout=StringIO())


def test_without_its_last_seal_a_copy_is_complete(copy: Path, session: Session) -> None:
    """The intent is in the copy, the record in the database: the process died before the seal."""
    cut(1)(copy)
    readiness.ledger.forget()
    assert Client().get("/readyz").status_code == 200
    ErasureFactory(subject=session)
    call_command("verify_ledger", stdout=StringIO())
