"""Test which columns take a canary, and the canary for each kind of column."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps
from django.utils import timezone

from anonymization.canary import planting
from anonymization.canary.values import LENGTH, Canaries
from anonymization.policy import Policy
from sessions_app.models import Guest

KEPT = {"kept_text": "proof", "kept_time": "proof"}


@pytest.fixture
def policy() -> Iterator[Policy]:
    with isolate_apps("sessions_app"):

        class Everything(models.Model):
            roomy = models.CharField(max_length=LENGTH)
            narrow = models.CharField(max_length=LENGTH - 1)
            text = models.TextField()
            word = models.CharField(max_length=50, choices=[("a", "A"), ("b", "B")])
            fields = models.JSONField()
            raw = models.BinaryField()
            address = models.GenericIPAddressField()
            moment = models.DateTimeField()
            day = models.DateField()
            hour = models.TimeField()
            lasted = models.DurationField()
            number = models.IntegerField()
            kept_text = models.TextField()
            kept_time = models.DateTimeField()
            marked_in = models.DateField()

            class Meta:
                app_label = "sessions_app"

        made = Policy("x.Everything", "here", keep=KEPT, mark="marked_in")
        made.__dict__["model"] = Everything
        yield made


def taking(policy: Policy) -> set[str]:
    return {name for name, field in policy.fields.items() if planting.takes(policy, field)}


def test_what_has_room_takes_something(policy: Policy) -> None:
    texts = {"roomy", "text", "fields", "raw", "address", "kept_text"}
    assert taking(policy) == texts | {"moment", "day", "hour", "lasted"}
    sealed = Policy("x.Everything", "here", append_only=True)
    sealed.__dict__["model"] = policy.model
    assert taking(sealed) == set()


def test_what_could_hold_a_text_and_is_not_planted_is_said(
    policy: Policy, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        planting.registry, "reaching", lambda model: [("", policy)] if model is Guest else []
    )
    short = "x.Everything.narrow (too short for a value that exists nowhere else)"
    few = "x.Everything.word (one of a few words)"
    assert planting.left_out(Guest, choices=True) == [short]
    assert planting.left_out(Guest, choices=False) == [short, few]
    assert {field.name for _policy, field in planting.columns(Guest)} == taking(policy)
    kept = Policy("x.Everything", "here", keep={"word": "proof"}, append_only=True)
    kept.__dict__["model"] = policy.model
    monkeypatch.setattr(planting.registry, "reaching", lambda model: [("", kept)])
    assert (
        planting.left_out(Guest, choices=True)[0]
        == "x.Everything.roomy (the database refuses changes)"
    )


def test_each_kind_of_column_takes_a_value_of_its_kind(policy: Policy) -> None:
    canaries = Canaries()

    def value(name: str) -> Any:
        return planting._value(policy, policy.fields[name], None, canaries)

    assert value("roomy") == canaries.text("x.Everything.roomy")
    assert value("raw") == canaries.text("x.Everything.raw").encode()
    key, inner = canaries.text("x.Everything.fields (key)"), canaries.text("x.Everything.fields")
    assert value("fields") == {key: [inner]}
    assert ipaddress.ip_address(value("address")) in ipaddress.ip_network("2001:db8::/32")
    assert type(value("day")) is date
    assert timedelta(0) < timezone.localdate() - value("day") <= timedelta(days=300)
    assert type(value("moment")) is datetime
    assert timedelta(0) < timezone.now() - value("moment") < timedelta(days=1, seconds=1)
    assert type(value("hour")) is time
    assert timedelta(0) < value("lasted") < timedelta(days=1)
    assert value("lasted").microseconds % 2 == 1, "no rounding leaves it"
