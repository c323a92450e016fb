"""The text of a row, which log lines and admin pages show, is its kind and its number alone."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db.models import Model


@pytest.mark.parametrize("model", list(apps.get_app_config("anonymization").get_models()))
def test_a_row_is_named_by_its_kind_and_its_number(model: type[Model]) -> None:
    row = model(pk=7)
    if hasattr(row, "number"):
        row.number = 7
    kind, _space, number = str(row).rpartition(" ")
    assert kind.replace(" ", "").lower() in model.__name__.lower()
    assert number == "7"
