"""How an app lets a person in, declared in ``<app>/canaries.py``: the verifier itself knows no chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from django.db.models import Model
from django.utils.module_loading import autodiscover_modules

from anonymization.canary.values import Canaries

Planter = Callable[[Canaries], Model]

_planters: dict[type[Model], Planter] = {}


def planter_of(model: type[Model]) -> Callable[[Planter], Planter]:
    """Declare the function that lets a person of ``model`` in, by the product's own services.

    It fills all that the services take with canaries and returns the stored person. It runs twice in a run and gives
    the same person again, with more rows; and in production: in one transaction, it must let no staff member
    meet the person at work.
    """

    def declare(planter: Planter) -> Planter:
        if model in _planters:
            raise ValueError(f"{model._meta.label} has a door already.")
        _planters[model] = planter
        return planter

    return declare


def planters() -> Mapping[type[Model], Planter]:
    """Return model → planter, of all installed apps."""
    _discover()
    return _planters


@cache
def _discover() -> None:
    autodiscover_modules("canaries")
