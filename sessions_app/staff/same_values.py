"""Tell which other guests have the same e-mail or phone. They may be the same person.

The product never decides that two guests are one person. It names them to a person who decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import ngettext

from sessions_app.masking import Reader, hidden_guests
from sessions_app.models import Guest
from sessions_app.people import guests_like

#: The number of guests that a page links.
_LINKED = 5


@dataclass(frozen=True)
class SameValues:
    """The guests who have the same ``parts`` as another guest."""

    parts: tuple[str, ...]
    guests: list[int]

    @property
    def shown(self) -> list[int]:
        return self.guests[:_LINKED]

    @property
    def more(self) -> bool:
        return len(self.guests) > _LINKED

    @property
    def sentence(self) -> str:
        n = len(self.guests)
        texts = {
            ("email", "phone"): ngettext(
                "%(n)d other guest has the same e-mail and phone:",
                "%(n)d other guests have the same e-mail and phone:",
                n,
            ),
            ("email",): ngettext(
                "%(n)d other guest has the same e-mail:",
                "%(n)d other guests have the same e-mail:",
                n,
            ),
            ("phone",): ngettext(
                "%(n)d other guest has the same phone:",
                "%(n)d other guests have the same phone:",
                n,
            ),
        }
        return texts[self.parts] % {"n": n}


def same_values(guest: Guest | None, reader: Reader) -> list[SameValues]:
    """Return the other guests with the same e-mail or phone, as far as the reader may see them.

    Empty for an anonymized guest, and for a guest whose data is hidden from the reader.
    """
    if guest is None or guest.anonymized_in or not reader.sees_people:
        return []
    alike = guests_like(guest)
    if not alike:
        return []
    hidden = hidden_guests(reader, [guest.pk, *alike])
    if guest.pk in hidden:
        return []
    groups: dict[tuple[str, ...], list[int]] = {}
    for pk, parts in alike.items():
        if pk not in hidden:
            groups.setdefault(parts, []).append(pk)
    return [SameValues(parts, groups[parts]) for parts in sorted(groups, key=len, reverse=True)]
