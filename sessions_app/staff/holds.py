"""Set a legal hold on a session or a guest."""

from __future__ import annotations

from anonymization.staff.holds import MANAGE_HOLDS, SetHoldView
from sessions_app.models import Guest, Session

_RIGHTS = ("sessions_app.see_sessions", MANAGE_HOLDS)


class HoldSessionView(SetHoldView):
    model = Session
    permission_required = _RIGHTS


class HoldGuestView(SetHoldView):
    """A hold of a guest covers all sessions of the guest, including later ones."""

    model = Guest
    permission_required = _RIGHTS
