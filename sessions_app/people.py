"""Find a person among the guests by name, e-mail and phone: index lookups by keys and words.

The search is wider than the match keys, because a person reads its result and chooses. It selects
nobody, and no anonymization is carried out by a name, an address or a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_app.models import Guest, GuestWord, Session
from sessions_app.readings import (
    index_words,
    is_address,
    is_same_name,
    name_readings,
    read_addresses,
    read_numbers,
)
from webchat.models import WebChat

LIMIT = 50
#: A word with this many rows counts as frequent.
_FREQUENT = 1_000
#: Why a value was not used in a search.
UNREADABLE, SEVERAL = "unreadable", "several"

#: The combinations of equal values, the best match first.
REASONS: dict[tuple[str, ...], str | Promise] = {
    ("name", "email", "phone"): _("name, e-mail and phone"),
    ("namePart", "email", "phone"): _("part of the name, e-mail and phone"),
    ("email", "phone"): _("e-mail and phone"),
    ("name", "email"): _("name and e-mail"),
    ("name", "phone"): _("name and phone"),
    ("namePart", "email"): _("part of the name and e-mail"),
    ("namePart", "phone"): _("part of the name and phone"),
    ("email",): _("e-mail only"),
    ("phone",): _("phone only"),
    ("name",): _("name only"),
    ("namePart",): _("part of the name only"),
}
_RANK = {parts: rank for rank, parts in enumerate(REASONS)}
#: The combinations that are queried, the one with most values first.
_STEPS = (
    ("name", "email", "phone"), ("email", "phone"), ("name", "email"), ("name", "phone"), ("email",), ("phone",),
    ("name",),
)  # fmt: skip


@dataclass(frozen=True)
class Match:
    """A guest that was found, and the values in which the guest equals the search.

    ``namePart`` instead of ``name`` means that the guest's name has more than what was searched.
    """

    guest: Guest
    parts: tuple[str, ...]
    sessions: int = 0
    last_seen: datetime | None = None

    @property
    def reason(self) -> str | Promise:
        return REASONS[self.parts]


@dataclass(frozen=True)
class Search:
    """The result of a search. ``refused`` has the reason for each value that was not used."""

    matches: list[Match] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    searched: bool = False
    more: bool = False


@dataclass
class _Known:
    """What is known of a person: the match keys, and the words of the name in each reading."""

    name: str
    words: list[list[str]]
    keys: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, *, name: str, email: str, phone: str) -> _Known:
        known = cls(name=name, words=name_readings(name))
        if name.strip() and not known.words:
            known.refused["name"] = UNREADABLE
        if email.strip():
            known._take("email", read_addresses(email))
        if phone.strip():
            known._take("phone", read_numbers(phone, _regions()))
        return known

    def _take(self, part: str, values: list[set[str]]) -> None:
        if len(values) > 1:
            self.refused[part] = SEVERAL
        elif values[0]:
            self.keys[part] = values[0]
        else:
            self.refused[part] = UNREADABLE

    def refuse_what_is_no_address(self) -> None:
        """Drop a text that no guest has as an address and that is none by today's rules."""
        if "email" in self.keys and not is_address(self.keys["email"]):
            del self.keys["email"]
            self.refused["email"] = UNREADABLE

    @property
    def parts(self) -> set[str]:
        return {*self.keys, *(["name"] if self.words else [])}

    def condition(self, parts: Iterable[str]) -> Q:
        """Return the condition for guests with the same keys of these values."""
        same = Q()
        for part in parts:
            # The second condition is that of the partial index, so that the index is used.
            same &= Q(**{f"{part}_key__in": sorted(self.keys[part])}) & ~Q(**{f"{part}_key": ""})
        return same

    def names(self, guest: Guest) -> bool:
        """Return whether each word of a reading of the name begins a word of the guest's name."""
        own = index_words(guest.name)
        return any(
            all(any(word.startswith(typed) for word in own) for typed in words)
            for words in self.words
        )

    def match(self, guest: Guest, parts: tuple[str, ...]) -> Match:
        if "name" not in parts or is_same_name(self.name, guest.name):
            return Match(guest, parts)
        return Match(guest, ("namePart", *parts[1:]))


def find_people(*, name: str = "", email: str = "", phone: str = "") -> Search:
    """Return the guests who share at least one of the given values, at most LIMIT.

    The function only lists guests and selects none. It runs one query per combination of values,
    each an index lookup. An OR of them would read the whole table.
    """
    known = _Known.read(name=name, email=email, phone=phone)
    found = list(islice(_most_in_common_first(known), LIMIT + 1))
    matches = sorted(found, key=lambda match: _RANK[match.parts])
    if not any("email" in match.parts for match in found):
        known.refuse_what_is_no_address()
    return Search(
        matches=_with_sessions(matches[:LIMIT]),
        refused=known.refused,
        searched=bool(known.parts),
        more=len(found) > LIMIT,
    )


def guests_like(guest: Guest) -> dict[int, tuple[str, ...]]:
    """Return other guests with the same e-mail or phone, newest first, with what is the same.

    At most LIMIT guests for each value are read.
    """
    alike: dict[int, tuple[str, ...]] = {}
    for part in ("email", "phone"):
        key = getattr(guest, f"{part}_key")
        if key:
            same = Q(**{f"{part}_key": key}) & ~Q(**{f"{part}_key": ""})
            others = Guest.objects.filter(same, anonymized_in=None).exclude(pk=guest.pk)
            for pk in others.order_by("-created_at", "-pk").values_list("pk", flat=True)[:LIMIT]:
                alike[pk] = (*alike.get(pk, ()), part)
    return alike


def _regions() -> list[str]:
    """Return the region of each WebChat. A number may have been entered in any of them."""
    regions = WebChat.objects.order_by("phone_region").values_list("phone_region", flat=True)
    return list(regions.distinct())


def _most_in_common_first(known: _Known) -> Iterator[Match]:
    """Yield each guest once. Later queries run only if more guests are needed."""
    seen: list[int] = []
    for parts in _STEPS:
        if set(parts) <= known.parts:
            guests = _named(known, seen) if parts == ("name",) else _keyed(known, parts, seen)
            for guest in guests:
                seen.append(guest.pk)
                yield known.match(guest, parts)


def _keyed(known: _Known, parts: tuple[str, ...], seen: list[int]) -> list[Guest]:
    """Return guests with the same keys. Their names are compared here, without a join.

    PostgreSQL has no statistics of words, and would read all guests with a frequent first name.
    """
    keys = [part for part in parts if part != "name"]
    found = Guest.objects.filter(known.condition(keys), anonymized_in=None).exclude(pk__in=seen)
    newest = found.order_by("-created_at", "-pk")
    if "name" not in parts:
        return list(newest[: LIMIT + 1])
    return [guest for guest in newest[:_FREQUENT] if known.names(guest)][: LIMIT + 1]


def _named(known: _Known, seen: list[int]) -> list[Guest]:
    """Return guests with this name, those with the whole words before those with beginnings.

    The keys are read first, from the index alone, and not sorted: a frequent word would be read to
    its end otherwise.
    """
    keys: dict[int, None] = {}
    for exact in (True, False):
        for words in known.words:
            if len(keys) <= LIMIT:
                keys |= dict.fromkeys(guests_with_words(words, exact=exact, without=[*seen, *keys]))
    guests = Guest.objects.filter(pk__in=list(keys)[: LIMIT + 1], anonymized_in=None)
    return sorted(guests, key=lambda guest: _newest_best(known, guest))


def _newest_best(known: _Known, guest: Guest) -> tuple[Any, ...]:
    same = is_same_name(known.name, guest.name)
    return (not same, -guest.created_at.timestamp(), -guest.pk)


def guests_with_words(words: list[str], *, exact: bool, without: list[int]) -> QuerySet[Any, int]:
    """Return the keys of guests whose names have all of the words, or words that begin with them.

    The rarest word drives the search. Its rows are read until enough guests are found.
    """
    first, *others = sorted(set(words), key=_frequency) if len(words) > 1 else words
    rows = GuestWord.objects.filter(word=first) if exact else GuestWord.objects.beginning(first)
    for word in others:
        of_guest = GuestWord.objects.filter(guest=OuterRef("guest"))
        rows = rows.filter(
            Exists(of_guest.filter(word=word) if exact else of_guest.beginning(word))
        )
    # Neither distinct nor ordered: PostgreSQL would walk through the words of all guests. A name
    # rarely has two words with the same beginning.
    found = rows.exclude(guest__in=without).order_by().values_list("guest", flat=True)
    return found[: 2 * (LIMIT + 1)]


def _frequency(word: str) -> tuple[int, int]:
    """Return a key that sorts a rare word first, and among frequent words a long one.

    No planner can know the rarest word: there are no statistics of words, see ``planner``.
    """
    return GuestWord.objects.beginning(word)[:_FREQUENT].count(), -len(word)


def _with_sessions(matches: list[Match]) -> list[Match]:
    """Add the number of sessions and the start of the last one to the matches, in one query."""
    counted = (
        Session.objects.filter(guest__in=[match.guest.pk for match in matches])
        .order_by()
        .values_list("guest")
        .annotate(Count("pk"), Max("created_at"))
    )
    known = {guest: (number, last) for guest, number, last in counted}
    return [Match(m.guest, m.parts, *known.get(m.guest.pk, (0, None))) for m in matches]
