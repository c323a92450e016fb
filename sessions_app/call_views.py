"""The signals and ICE servers of a call. Each side's view checks the access and calls a function.

The visitor authenticates with the room's secret, the operator with a login. Answers are JSON and
are not cached. They return 404 if the session is not a call or its room was revoked, 409
if the conversation has ended or the operator has not taken it, and 413 or 422 if ``SignalForm``
does not accept a signal, and 429 if a side sends too many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from sessions_app import calls, conversation, limits, lock
from sessions_app.forms import SignalForm
from sessions_app.http import retry_after
from sessions_app.models import Party, Session

#: Takes the request, the session, the side that sent the request, and the operator. The operator is
#: None on the visitor's side, where the login is not read at all.
CallAnswer = Callable[[HttpRequest, Session, Party, User | None], HttpResponse]

#: The maximum size of a request with a signal, in bytes.
MAX_SIGNAL_BODY = 100_000


def _require_call(answer: CallAnswer) -> CallAnswer:
    """Return 404 or 409 if the session is not an open call, or not the operator's."""

    @wraps(answer)
    def checked(
        request: HttpRequest, session: Session, side: Party, operator: User | None
    ) -> HttpResponse:
        try:
            calls.require_call(session, operator=operator)
            return answer(request, session, side, operator)
        except calls.NoCall:
            raise Http404 from None
        except (lock.SessionClosed, conversation.NotTheirs):
            return HttpResponse(status=409)
        except limits.TooOften as refused:
            return retry_after(HttpResponse(status=429), refused)

    return checked


@_require_call
def answer_signals(
    request: HttpRequest, session: Session, side: Party, operator: User | None
) -> HttpResponse:
    """Return unread signals as JSON for GET ``?after=<id>``. Store a signal for POST, with 204."""
    if request.method != "POST":
        after = request.GET.get("after", "")
        known = int(after) if after.isascii() and after.isdecimal() and len(after) <= 18 else 0
        return JsonResponse({"signals": calls.signals_for(session, side, after=known)})
    form = SignalForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    limits.count_signal(session, sender=side)
    sent = form.cleaned_data
    if sent["kind"] == SignalForm.CONNECTED:
        other = Party.OPERATOR if side == Party.VISITOR else Party.VISITOR
        calls.forget_signals(session, sender=other, up_to=sent["seen"], reader=operator)
    else:
        calls.post_signal(
            session, sender=side, kind=sent["kind"], body=sent["body"], author=operator
        )
        # This covers all sessions. If cron is not set up, no signal becomes old as long as somebody
        # is in a call.
        calls.delete_old_signals()
    return HttpResponse(status=204)


@_require_call
def answer_ice_servers(
    request: HttpRequest, session: Session, side: Party, operator: User | None
) -> HttpResponse:
    """Return the ``iceServers`` of a connection, with a new credential."""
    return JsonResponse({"iceServers": calls.ice_servers(time.time())})
