"""The database refuses to change or delete a record of the ledger, apart from forgetting its facts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from anonymization.models import Erasure
from anonymization.policy import registry
from tests.database import digest
from tests.factories import ApiClientFactory, RecordFactory, StaffFactory

pytestmark = pytest.mark.django_db

FORGOTTEN: dict[str, Any] = {"created_at": None, "salt": "", "counts": {}, "evidence": []}


@pytest.fixture
def record() -> Erasure:
    return RecordFactory(counts={"sessions_app.Session": 1}, evidence=[["a", 1]])


@contextmanager
def refused() -> Iterator[None]:
    before = digest()
    with (
        pytest.raises(IntegrityError, match=r"anonymization\.Erasure is append-only"),
        transaction.atomic(),
    ):
        yield
    assert digest() == before


def another_value(name: str) -> Any:
    if name == "requested_by":
        return StaffFactory()
    if name == "client":
        return ApiClientFactory()
    return {
        "DateField": date(2000, 1, 1),
        "DateTimeField": timezone.now(),
        "JSONField": ["x"],
        "PositiveBigIntegerField": 999,
        "PositiveIntegerField": 9,
        "PositiveSmallIntegerField": 1,
        "UUIDField": uuid.uuid4(),
    }.get(Erasure._meta.get_field(name).get_internal_type(), "x")


@pytest.mark.parametrize("name", list(registry.get(Erasure).fields))
def test_no_field_of_a_record_changes(record: Erasure, name: str) -> None:
    value = another_value(name)
    with refused():
        Erasure.objects.update(**{name: value})


@pytest.mark.parametrize("name", list(registry.get(Erasure).fields))
def test_no_field_changes_while_the_facts_are_forgotten(record: Erasure, name: str) -> None:
    value = another_value(name)
    with refused():
        Erasure.objects.update(**{**FORGOTTEN, name: value})


def test_the_facts_may_be_forgotten_and_do_not_come_back(record: Erasure) -> None:
    assert Erasure.objects.update(**FORGOTTEN) == 1
    for name in FORGOTTEN:
        with refused():
            Erasure.objects.update(**{name: getattr(record, name)})


def test_no_record_is_deleted(record: Erasure) -> None:
    with refused(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM anonymization_erasure")
