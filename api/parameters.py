"""Read the parameters of a query string.

Names are case-insensitive, and one answer lists all errors.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.http import QueryDict
from django.utils.dateparse import parse_duration
from rest_framework.exceptions import ValidationError

from lib.ids import is_id

T = TypeVar("T")
_MAX_DURATION = timedelta(days=36_500)
_MAX_NUMBER = 2**63 - 1
#: If a client does not escape the plus sign of an offset, it is decoded as a space.
_SPACE_BEFORE_OFFSET = re.compile(r" (\d\d:?\d\d)$")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class Parameters:
    """Read typed values from a query string and collect the errors.

    Each reader returns None (or the default) for a parameter that is absent or invalid. ``finish``
    then raises one exception for all invalid and unknown parameters.
    """

    def __init__(self, query: QueryDict) -> None:
        self._values: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        self._unread: set[str] = set()
        self.errors: dict[str, str] = {}
        for name, values in query.lists():
            self._values.setdefault(name.lower(), []).extend(values)
            self._names.setdefault(name.lower(), name)
            self._unread.add(name.lower())

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def finish(self) -> None:
        """Reject the request if a parameter is invalid or was not read.

        Raises:
            ValidationError: maps each parameter name, as it was sent, to a message.
        """
        for name in sorted(self._unread):
            self.errors[self._names[name]] = "This parameter is unknown."
        if self.errors:
            raise ValidationError(self.errors)

    def refuse(self, name: str, message: str) -> None:
        self.errors[self._names.get(name.lower(), name)] = message

    def many(self, name: str) -> list[str]:
        """Return all values of a parameter that may be repeated."""
        self._unread.discard(name.lower())
        return self._values.get(name.lower(), [])

    def text(self, name: str) -> str | None:
        values = self.many(name)
        if len(values) > 1:
            self.refuse(name, "Give this parameter once.")
        elif values and "\0" in values[0]:
            self.refuse(name, "This is not text.")
        elif values:
            return values[0]
        return None

    def number(self, name: str, *, default: int, minimum: int, maximum: int = _MAX_NUMBER) -> int:
        text = self.text(name)
        if text is None:
            return default
        if re.fullmatch("[0-9]{1,19}", text) and minimum <= int(text) <= maximum:
            return int(text)
        self.refuse(name, f"Give a whole number from {minimum} to {maximum}.")
        return default

    def flag(self, name: str) -> bool | None:
        text = self.text(name)
        if text is not None and text.lower() not in _TRUTH:
            self.refuse(name, "Give true or false.")
        return None if text is None else _TRUTH.get(text.lower())

    def moment(self, name: str) -> datetime | None:
        """Return a date or a time in ISO 8601 form; without an offset it is UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub(r"+\1", text.strip().upper()))
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            self.refuse(name, "Give a date such as 2026-11-01 or 2026-11-01T10:00:00Z.")
            return None

    def duration(self, name: str) -> timedelta | None:
        """Return a duration in ISO 8601 form (``PT4M40S``), as ``hh:mm:ss`` or in seconds."""
        text = self.text(name)
        if text is None:
            return None
        try:
            duration = parse_duration(text) if re.search("[0-9]", text) else None
        except (ValueError, OverflowError):
            duration = None
        if duration is None or abs(duration) > _MAX_DURATION:
            self.refuse(name, "Give a duration such as PT4M40S or 00:04:40.")
            return None
        return duration

    def ids(self, name: str) -> list[int]:
        values = self.many(name)
        if all(is_id(value) for value in values):
            return [int(value) for value in values]
        self.refuse(name, "Give ids: positive whole numbers.")
        return []

    def choices(self, name: str, known: Mapping[str, T]) -> list[T]:
        """Return the meanings of the values.

        ``known`` maps the official spelling of each value to its meaning. Values are
        case-insensitive.
        """
        by_lower = {spelling.lower(): meaning for spelling, meaning in known.items()}
        values = self.many(name)
        if all(value.lower() in by_lower for value in values):
            return [by_lower[value.lower()] for value in values]
        self.refuse(name, f"Unknown value. Give one of: {', '.join(known)}.")
        return []

    def texts(self, name: str) -> list[str]:
        values = self.many(name)
        if any("\0" in value for value in values):
            self.refuse(name, "This is not text.")
            return []
        return values

    def address(self, name: str) -> str | None:
        text = self.text(name)
        try:
            return None if text is None else str(ipaddress.ip_address(text.strip()))
        except ValueError:
            self.refuse(name, "Give an IP address.")
            return None
