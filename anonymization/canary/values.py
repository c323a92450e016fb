"""Create canaries: values that exist nowhere else, with labels that a report can show."""

from __future__ import annotations

import ipaddress
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ALPHABET = string.ascii_letters + string.digits
#: The length of any text: the part of the run, a letter that JSON and URLs escape, and the twelve
#: characters of the canary.
LENGTH = 7 + 1 + 12
#: The numbering plan allows numbers of this length, but Vienna has none, so nobody can be called by
#: accident.
_PHONE = "+43 1 2"


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(frozen=True)
class Canary:
    """One value with its label.

    ``values`` are forms of the same value that a column may contain, for example a phone number
    without spaces.
    """

    label: str
    values: tuple[str, ...]


class Canaries:
    """The canaries of one run.

    The same label always returns the same value, so that the same person can return. All texts of a
    run have the same beginning, so that a search looks for a few beginnings and not for many
    values.
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
        """Return a phone number that is valid in the numbering plan, as a person types it."""

        def make() -> tuple[str, ...]:
            typed = f"{_PHONE}{secrets.randbelow(1000):03d} {secrets.randbelow(10**8):08d}"
            number = typed.replace(" ", "")
            return typed, number, number.removeprefix("+")

        return self._once(label, make)

    def address(self, label: str) -> str:
        """Return an IPv6 address of the range for documentation (RFC 3849), which nobody uses."""

        def make() -> tuple[str, ...]:
            address = ipaddress.IPv6Address((0x20010DB8 << 96) | secrets.randbits(96))
            return str(address), address.exploded

        return self._once(label, make)

    def _once(self, label: str, make: Callable[[], tuple[str, ...]]) -> str:
        if label not in self._made:
            self._made[label] = Canary(label, make())
        return self._made[label].values[0]
