"""The operator's side of a video call."""

from __future__ import annotations

from django.contrib.auth.models import User

from sessions_app.call_views import IceServers, Signals
from sessions_app.models import Party
from sessions_app.staff.operator_acts import OperatorAct
from sessions_app.staff.pages import SessionPage


class OperatorCall(SessionPage):
    """The operator's side of a video call, for the operator who has taken it."""

    permission_required = OperatorAct.permission_required
    side = Party.OPERATOR

    @property
    def operator(self) -> User:
        return self.staff


class SessionSignals(OperatorCall, Signals):
    """The call's signals between the operator and the visitor."""


class SessionIceServers(OperatorCall, IceServers):
    """The ICE servers for the operator."""
