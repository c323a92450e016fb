"""Decide who may see personal data, and render the mask that is shown instead.

``Reader.why_hidden`` decides for the content of one session, and ``hidden_guests`` for guests. Every
page, stream, file and API call that shows such data asks one of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from anonymization.held import held, held_among
from sessions_app.models import Guest, Session, Status

SEE_PERSONAL_DATA = "sessions_app.see_personal_data"
ANSWER = "sessions_app.answer"
#: The permission of those who decide on withdrawals of consent.
DECIDE_ON_WITHDRAWALS = "sessions_app.anonymize_session"
MANAGE_HOLDS = "anonymization.manage_holds"
MASK = "•••"

_NO_PERMISSION = _("hidden: you don't have permission to see personal data")
_HELD = _("hidden: a legal hold restricts this data to the data protection officer")
_WITHDRAWN = _("hidden: consent was withdrawn; only those who decide on withdrawals may see this")


@dataclass(frozen=True)
class Reader:
    """The rights by which a staff member or a program may see the content of sessions.

    A legal hold closes a session to everybody but those who manage holds, and a withdrawal of
    consent to everybody but those who decide on withdrawals (GDPR Art. 18(2)). Operators see a
    conversation while it is open: the person is talking to them.
    """

    sees_people: bool = False
    answers: bool = False
    decides_on_withdrawals: bool = False
    manages_holds: bool = False

    @classmethod
    def of(cls, user: Any) -> Reader:
        """Return the reader of a staff member's page."""
        return cls(
            sees_people=user.has_perm(SEE_PERSONAL_DATA),
            answers=user.has_perm(ANSWER),
            decides_on_withdrawals=user.has_perm(DECIDE_ON_WITHDRAWALS),
            manages_holds=user.has_perm(MANAGE_HOLDS),
        )

    def may_see(self, session: Session) -> bool:
        return not self.why_hidden(session)

    def why_hidden(self, session: Session) -> str | Promise:
        """Return the reason why the content of a session is hidden; empty if it is not."""
        if not self.sees_people:
            return _NO_PERMISSION
        if session.is_held and not self.manages_holds and not (self.answers and session.is_open):
            return _HELD
        if session.withdrawn_at is not None and not self.decides_on_withdrawals:
            return _WITHDRAWN
        return ""

    def visible(self) -> Q:
        """Return the condition for the sessions that ``why_hidden`` does not hide."""
        if not self.sees_people:
            return Q(pk__in=())
        condition = Q()
        if not self.manages_holds:
            open_ones = ~Q(status=Status.CLOSED) if self.answers else Q(pk__in=())
            condition &= ~held(Session) | open_ones
        if not self.decides_on_withdrawals:
            condition &= Q(withdrawn_at=None)
        return condition


def hidden_guests(reader: Reader, keys: Collection[int]) -> dict[int, str | Promise]:
    """Return the guests whose personal data the reader may not see, with the reason.

    A guest is hidden if a hold rests on the guest, or if all sessions of the guest are hidden.
    """
    if not reader.sees_people:
        return dict.fromkeys(keys, _NO_PERMISSION)
    if reader.manages_holds and reader.decides_on_withdrawals:
        return {}
    hidden: dict[int, str | Promise] = {}
    sessions = Session.objects.filter(guest__in=keys).order_by()
    visible = set(sessions.filter(reader.visible()).values_list("guest", flat=True))
    closed = sessions.exclude(guest__in=visible).only("guest", "status", "withdrawn_at")
    for session in closed.with_holds():
        if session.guest_id is not None:
            hidden[session.guest_id] = reader.why_hidden(session)
    if not reader.manages_holds:
        hidden |= dict.fromkeys(held_among(Guest, keys), _HELD)
    return hidden


def may_see_people(user: Any) -> bool:
    return bool(user.has_perm(SEE_PERSONAL_DATA))


def mask(reason: str | Promise = _NO_PERMISSION) -> SafeString:
    """Return the HTML of the mask, with an explanation why the value is hidden."""
    return format_html(
        '<span class="masked position-relative" title="{}">{}<span class="visually-hidden"> {}</span></span>',
        reason,
        MASK,
        reason,
    )
