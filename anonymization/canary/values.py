"""Canaries: values that exist nowhere else, each with a label by which a report names it instead."""

from __future__ import annotations

import ipaddress
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ALPHABET = string.ascii_letters + string.digits
#: Of any text: the run's own part, a letter that JSON and URLs escape, and twelve characters of the canary's own.
LENGTH = 7 + 1 + 12
#: Vienna has no number of this length, but the plan of numbers allows it: nobody is called by accident.
_PHONE = "+43 1 2"


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(frozen=True)
class Canary:
    """``values`` are the same thing in forms that a column may hold instead, such as a phone without its spaces."""

    label: str
    values: tuple[str, ...]


class Canaries:
    """The canaries of one run; asked twice for a label, it gives the same value, so that one person can come back.

    All texts of a run begin alike, so that a search looks for few beginnings instead of many values.
    """

    def __init__(self) -> None:
        self._run = _random(7)
        self._made: dict[str, Canary] = {}

    def __iter__(self) -> Iterator[Canary]:
        return iter(self._made.values())

    def __len__(self) -> int:
        return len(self._made)

    def text(self, label: str) -> str:
        """Return a text of ``LENGTH`` characters."""
        return self._once(label, lambda: (f"{self._run}ž{_random(12)}",))

    def email(self, label: str) -> str:
        return self._once(label, lambda: (f"{self._run}ž{_random(12)}@example.com",))

    def phone(self, label: str) -> str:
        """Return a phone number that is valid by the plan of numbers, as somebody types it."""

        def make() -> tuple[str, ...]:
            typed = f"{_PHONE}{secrets.randbelow(1000):03d} {secrets.randbelow(10**8):08d}"
            number = typed.replace(" ", "")
            return typed, number, number.removeprefix("+")

        return self._once(label, make)

    def address(self, label: str) -> str:
        """Return an IP address of the range for documentation (RFC 3849), which is nobody's."""

        def make() -> tuple[str, ...]:
            address = ipaddress.IPv6Address((0x20010DB8 << 96) | secrets.randbits(96))
            return str(address), address.exploded

        return self._once(label, make)

    def _once(self, label: str, make: Callable[[], tuple[str, ...]]) -> str:
        if label not in self._made:
            self._made[label] = Canary(label, make())
        return self._made[label].values[0]
