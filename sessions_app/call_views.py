"""The views for the signals and ICE servers of a call, shared by both sides.

The visitor authenticates with the room's secret, the operator with a login. Answers are JSON and
are not cached. They return 404 if the session is not a call or its room was revoked, 409
if the conversation has ended or the operator has not taken it, and 413 or 422 if ``SignalForm``
does not accept a signal.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import View

from sessions_app import calls, conversation, lock
from sessions_app.calls import ice_servers, signals_for
from sessions_app.forms import SignalForm
from sessions_app.models import Party, Session


class CallAct(View):
    """The base class of a call's views. Each side's subclass defines ``side`` and ``session``."""

    http_method_names = ["get", "head", "post"]
    session: Session
    side: Party

    @property
    def operator(self) -> User | None:
        """Return the staff member who sent the request.

        Returns None on the visitor's side, where the login is not read at all.
        """
        return None

    def answer(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            calls.require_call(self.session, operator=self.operator)
            return self.answer(request)
        except calls.NoCall:
            raise Http404 from None
        except (lock.SessionClosed, conversation.NotTheirs):
            return HttpResponse(status=409)

    post = get


class Signals(CallAct):
    """Return unread signals as JSON for GET ``?after=<id>``. Store a signal for POST, with 204."""

    max_body = 100_000

    def answer(self, request: HttpRequest) -> HttpResponse:
        return self._take(SignalForm(request.POST)) if request.method == "POST" else self._give()

    def _give(self) -> HttpResponse:
        after = self.request.GET.get("after", "")
        known = int(after) if after.isascii() and after.isdecimal() and len(after) <= 18 else 0
        return JsonResponse({"signals": signals_for(self.session, self.side, after=known)})

    def _take(self, form: SignalForm) -> HttpResponse:
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=422)
        sent = form.cleaned_data
        if sent["kind"] == SignalForm.CONNECTED:
            other = Party.OPERATOR if self.side == Party.VISITOR else Party.VISITOR
            calls.forget_signals(
                self.session, sender=other, up_to=sent["seen"], reader=self.operator
            )
        else:
            calls.post_signal(
                self.session,
                sender=self.side,
                kind=sent["kind"],
                body=sent["body"],
                author=self.operator,
            )
            # This covers all sessions. If cron is not set up, no signal becomes old as long as
            # somebody is in a call.
            calls.delete_old_signals()
        return HttpResponse(status=204)


class IceServers(CallAct):
    """Return the ``iceServers`` of a connection, with a new credential."""

    http_method_names = ["get", "head"]

    def answer(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({"iceServers": ice_servers(time.time())})
