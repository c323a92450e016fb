"""The visitor's side of a video call."""

from __future__ import annotations

from sessions_app.call_views import IceServers, Signals
from sessions_app.models import Party
from sessions_app.visitor.room import RoomView


class RoomCall(RoomView):
    """The visitor's side of a video call."""

    # Only a script reads these responses, so no site may show them in a frame.
    ancestors = []
    side = Party.VISITOR


class RoomSignals(Signals, RoomCall):
    """The call's signals between the visitor and the operator."""


class RoomIceServers(IceServers, RoomCall):
    """The ICE servers for the visitor."""
