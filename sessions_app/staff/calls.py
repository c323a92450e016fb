"""The operator's side of a video call, for the operator who has taken it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from lib.pages import limit_body, staff_of
from sessions_app.call_views import MAX_SIGNAL_BODY, answer_ice_servers, answer_signals
from sessions_app.models import Party, Session
from sessions_app.staff.pages import ANSWER_SESSIONS, session_page


@limit_body(MAX_SIGNAL_BODY)
@session_page(*ANSWER_SESSIONS, content=True)
@require_http_methods(["GET", "HEAD", "POST"])
def session_signals(request: HttpRequest, session: Session) -> HttpResponse:
    """Exchange the signals of the call with the visitor."""
    return answer_signals(request, session, Party.OPERATOR, staff_of(request))


@session_page(*ANSWER_SESSIONS, content=True)
@require_safe
def session_ice_servers(request: HttpRequest, session: Session) -> HttpResponse:
    """Return the ICE servers for the operator."""
    return answer_ice_servers(request, session, Party.OPERATOR, staff_of(request))
