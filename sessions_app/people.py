"""Find a person among the guests by name, e-mail and phone: index lookups by match keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, permutations

from django.db.models import Count, Max, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_app.matching import email_key, name_key, phone_key
from sessions_app.models import Guest, Session
from webchat.models import WebChat

LIMIT = 50
#: Names of up to this many words are looked up in every order, which means at most 24 keys.
_WORDS_IN_ANY_ORDER = 4

#: The combinations of equal values, the best match first.
REASONS: dict[tuple[str, ...], str | Promise] = {
    ("name", "email", "phone"): _("name, e-mail and phone"),
    ("email", "phone"): _("e-mail and phone"),
    ("name", "email"): _("name and e-mail"),
    ("name", "phone"): _("name and phone"),
    ("email",): _("e-mail only"),
    ("phone",): _("phone only"),
    ("name",): _("name only"),
}


@dataclass(frozen=True)
class Match:
    """A guest that was found, and the values in which the guest equals the search."""

    guest: Guest
    parts: tuple[str, ...]
    sessions: int = 0
    last_seen: datetime | None = None

    @property
    def reason(self) -> str | Promise:
        return REASONS[self.parts]


@dataclass(frozen=True)
class Search:
    """The result of a search. ``unreadable`` names the values that could not be parsed or used."""

    matches: list[Match] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    searched: bool = False
    more: bool = False


def find_people(*, name: str = "", email: str = "", phone: str = "") -> Search:
    """Return the guests who share at least one of the given values, at most LIMIT.

    The function only lists guests and selects none. It runs one query per combination of values,
    each an index lookup. An OR of them would read the whole table.
    """
    typed = {"name": name, "email": email, "phone": phone}
    keys = {
        "name": set(name_keys(name)),
        "email": {email_key(email)},
        "phone": set(phone_keys(phone)),
    }
    readable = {part: found - {""} for part, found in keys.items() if found - {""}}
    unreadable = [part for part, text in typed.items() if text.strip() and part not in readable]
    matches = list(islice(_best_first(readable), LIMIT + 1))
    return Search(
        matches=_with_sessions(matches[:LIMIT]),
        unreadable=unreadable,
        searched=bool(readable),
        more=len(matches) > LIMIT,
    )


def name_keys(name: str) -> Iterator[str]:
    """Yield the name with its words in every order, as the family name can be first or last."""
    key = name_key(name)
    words = key.split()
    if len(words) > _WORDS_IN_ANY_ORDER:
        yield key
    else:
        yield from map(" ".join, permutations(words))


def phone_keys(phone: str) -> Iterator[str]:
    """Yield the number as read from the region of each WebChat, where it may have been entered."""
    if phone.strip():
        regions = (
            WebChat.objects.order_by("phone_region")
            .values_list("phone_region", flat=True)
            .distinct()
        )
        for region in ["", *regions]:
            yield phone_key(phone, region)


def _best_first(keys: dict[str, set[str]]) -> Iterator[Match]:
    """Yield each guest once, the best match first. Later queries run only if more are needed."""
    seen: list[int] = []
    for parts in REASONS:
        if set(parts) <= keys.keys():
            for guest in _guests(keys, parts, seen):
                seen.append(guest.pk)
                yield Match(guest, parts)


def _guests(
    keys: dict[str, set[str]], parts: tuple[str, ...], seen: Iterable[int]
) -> QuerySet[Guest]:
    same = Q()
    for part in parts:
        # The second condition is the condition of the partial index, so that the index is used.
        same &= Q(**{f"{part}_key__in": sorted(keys[part])}) & ~Q(**{f"{part}_key": ""})
    return (
        Guest.objects.filter(same, anonymized_in=None)
        .exclude(pk__in=seen)
        .order_by("-created_at", "-pk")[: LIMIT + 1]
    )


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
