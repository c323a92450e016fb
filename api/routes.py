"""Case-insensitive routes with an optional trailing slash, without redirects."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

from django.urls import URLPattern
from django.urls.resolvers import RoutePattern

#: ASCII letters only: the lower case form of a letter of another alphabet may be an ASCII letter.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class AnyCaseRoute(RoutePattern):
    """A route that is displayed as declared and matches in any case; for values that are digits."""

    def __init__(self, route: str, name: str | None) -> None:
        super().__init__(route, name=name, is_endpoint=True)
        self._lower = RoutePattern(route.lower(), is_endpoint=True)

    def match(self, path: str) -> Any:
        return self._lower.match(path.translate(_LOWER).removesuffix("/"))


def call(route: str, view: Callable[..., Any], name: str | None = None) -> URLPattern:
    """Return the URL pattern of one call."""
    return URLPattern(AnyCaseRoute(route, name), view, {}, name)
