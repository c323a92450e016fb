"""Register how an app creates a person for the verifier, declared in ``<app>/canaries.py``.

The verifier itself does not depend on the chat apps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from django.db.models import Model
from django.utils.module_loading import autodiscover_modules

from anonymization.canary.values import Canaries

Planter = Callable[[Canaries], Model]

_planters: dict[type[Model], Planter] = {}


def planter_of(model: type[Model]) -> Callable[[Planter], Planter]:
    """Register the function that creates a person of ``model`` through the product's own services.

    The function fills everything that the services accept with canaries, and returns the saved
    person. It is called twice in a run and must return the same person again, with more rows. It is
    also called in production. There it works in one transaction and must keep staff members from
    meeting the person at work.

    Raises:
        ValueError: the model already has a planter.
    """

    def declare(planter: Planter) -> Planter:
        if model in _planters:
            raise ValueError(f"{model._meta.label} has a door already.")
        _planters[model] = planter
        return planter

    return declare


def planters() -> Mapping[type[Model], Planter]:
    """Return model → planter, for all installed apps."""
    _discover()
    return _planters


@cache
def _discover() -> None:
    autodiscover_modules("canaries")
