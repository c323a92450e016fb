"""The signals of a call and the servers that help two browsers meet, for either side.

All of it is behind the gate: the visitor's by the room's secret, the operator's by their login. Answers are JSON and
kept nowhere. 404 when the session is no call or its room was revoked, 409 when it has ended or the operator has not
taken it, 413 and 422 when a signal is not as ``SignalForm`` wants it.
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
    """What either side of a call asks; each side says which it is."""

    http_method_names = ["get", "head", "post"]
    session: Session
    side: Party

    @property
    def operator(self) -> User | None:
        """Return who of the staff asks; None on the visitor's side, where no login is even looked for."""
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
    """GET ``?after=<id>``: what one's side has not read yet, as JSON. POST: a signal; 204."""

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
            calls.forget_signals(self.session, sender=other, up_to=sent["seen"], reader=self.operator)
        else:
            calls.post_signal(
                self.session, sender=self.side, kind=sent["kind"], body=sent["body"], author=self.operator
            )
            # Of all sessions: where cron was forgotten, none of them gets old while somebody calls.
            calls.delete_old_signals()
        return HttpResponse(status=204)


class IceServers(CallAct):
    """The ``iceServers`` of a connection, with a fresh credential."""

    http_method_names = ["get", "head"]

    def answer(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({"iceServers": ice_servers(time.time())})
