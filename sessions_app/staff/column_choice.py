"""Store the chosen columns of the Sessions table in the staff member's login session."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from sessions_app.staff.columns import COLUMNS

_KEY = "sessions_columns"


def chosen_columns(request: HttpRequest) -> list[str]:
    """Return the chosen columns in the table's order. Ignore invalid data in the login session."""
    stored = request.session.get(_KEY)
    chosen = stored if isinstance(stored, list) else []
    names = [name for name in COLUMNS if name in chosen]
    return names or [name for name, column in COLUMNS.items() if column.default]


def choose_columns(request: HttpRequest, names: Iterable[str]) -> None:
    request.session[_KEY] = list(names)


def forget_columns(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)
