"""The visitor's side of a video call.

Only a script reads these responses, so no site may show them in a frame.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from sessions_app.call_views import MAX_SIGNAL_BODY, answer_ice_servers, answer_signals
from sessions_app.models import Party
from sessions_app.visitor.room import RoomView


class RoomSignals(RoomView):
    """The call's signals between the visitor and the operator."""

    http_method_names = ["get", "head", "post"]
    max_body = MAX_SIGNAL_BODY
    ancestors = []

    def get(self, request: HttpRequest) -> HttpResponse:
        return answer_signals(request, self.session, Party.VISITOR, None)

    post = get


class RoomIceServers(RoomView):
    """The ICE servers for the visitor."""

    ancestors = []

    def get(self, request: HttpRequest) -> HttpResponse:
        return answer_ice_servers(request, self.session, Party.VISITOR, None)
