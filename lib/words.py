"""Words of models for readers."""

from __future__ import annotations

from django.db.models import Model


def name_of(model: type[Model], count: int) -> str:
    """Return the verbose name of a model, in singular or plural according to the count."""
    return str(model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural)
