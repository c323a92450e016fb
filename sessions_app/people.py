"""Find a person among the guests by name, e-mail and phone: exact steps over match keys, best matches first."""

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
#: Of so many words each order is a key to look for: 24 at most.
_WORDS_IN_ANY_ORDER = 4

#: What a match rests on, the best first.
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
    """A guest, and what of the search is the same."""

    guest: Guest
    parts: tuple[str, ...]
    sessions: int = 0
    last_seen: datetime | None = None

    @property
    def reason(self) -> str | Promise:
        return REASONS[self.parts]


@dataclass(frozen=True)
class Search:
    """What was found; ``unreadable`` names the parts that could not be read and were left out."""

    matches: list[Match] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    searched: bool = False
    more: bool = False


def find_people(*, name: str = "", email: str = "", phone: str = "") -> Search:
    """Return the guests who share at least one of what is given, at most LIMIT. Selects nobody.

    One query for each combination, each an exact step on the index of a key; an OR over them would read the table.
    """
    typed = {"name": name, "email": email, "phone": phone}
    keys = {"name": set(name_keys(name)), "email": {email_key(email)}, "phone": set(phone_keys(phone))}
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
    """Yield the name with its words in every order, since people give the family name first or last."""
    key = name_key(name)
    words = key.split()
    if len(words) > _WORDS_IN_ANY_ORDER:
        yield key
    else:
        yield from map(" ".join, permutations(words))


def phone_keys(phone: str) -> Iterator[str]:
    """Yield the number as it is read from the region of each WebChat: it may have been entered in any of them."""
    if phone.strip():
        regions = WebChat.objects.order_by("phone_region").values_list("phone_region", flat=True).distinct()
        for region in ["", *regions]:
            yield phone_key(phone, region)


def _best_first(keys: dict[str, set[str]]) -> Iterator[Match]:
    """Yield each guest once, with most in common first; a step runs only when the ones before were not enough."""
    seen: list[int] = []
    for parts in REASONS:
        if set(parts) <= keys.keys():
            for guest in _guests(keys, parts, seen):
                seen.append(guest.pk)
                yield Match(guest, parts)


def _guests(keys: dict[str, set[str]], parts: tuple[str, ...], seen: Iterable[int]) -> QuerySet[Guest]:
    same = Q()
    for part in parts:
        # The second condition is the one of the partial index.
        same &= Q(**{f"{part}_key__in": sorted(keys[part])}) & ~Q(**{f"{part}_key": ""})
    return Guest.objects.filter(same, anonymized_at=None).exclude(pk__in=seen).order_by("-pk")[: LIMIT + 1]


def _with_sessions(matches: list[Match]) -> list[Match]:
    """Return the matches with the number of sessions and the last one's start: one query for all of them."""
    counted = (
        Session.objects.filter(guest__in=[match.guest.pk for match in matches])
        .order_by()
        .values_list("guest")
        .annotate(Count("pk"), Max("created_at"))
    )
    known = {guest: (number, last) for guest, number, last in counted}
    return [Match(m.guest, m.parts, *known.get(m.guest.pk, (0, None))) for m in matches]
