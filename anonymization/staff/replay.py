"""The page that replays erasures after a backup was restored.

It is the only page that is available then. It shows what the database lacks.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from anonymization import restoration
from anonymization.ledger import external_copy, recording
from anonymization.ledger.chain import BrokenChain
from anonymization.models import Source
from anonymization.restoration import Standing
from lib.pages import StaffPage

#: The number of seconds that one request works, so that it does not time out. The page then offers
#: to continue.
WITHIN = 20


class ReplayView(StaffPage):
    """Show the state of the database compared with the external copy, and replay on POST.

    Status codes:

    - 200: the page
    - 302: redirect to the page after a replay
    - 409: nothing could be replayed
    """

    http_method_names = ["get", "head", "post"]
    permission_required = "anonymization.replay_erasures"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest) -> HttpResponse:
        requester = recording.Requester(Source.PAGE, self.staff)
        try:
            done = restoration.carry_out(restoration.plan(), requester=requester, within=WITHIN)
        except recording.ErasureRefused as refusal:
            return self._show(refusal=str(refusal), status=409)
        except (restoration.NoCopy, BrokenChain, external_copy.Unreadable, OSError):
            return self._show(status=409)
        if done:
            messages.success(request, _("The database and the external copy match."))
        return redirect("erasure_replay")

    def _show(self, *, refusal: str = "", status: int = 200) -> HttpResponse:
        standing = restoration.standing()
        planned, problem = None, ""
        if standing in {Standing.BEHIND, Standing.FOREIGN}:
            try:
                planned = restoration.plan()
            except (BrokenChain, external_copy.Unreadable) as found:
                standing, problem = Standing.FOREIGN, str(found)
        context = {
            "standing": standing.value,
            "plan": planned,
            "kept": external_copy.file_of() is not None,
            "problem": problem,
            "refusal": refusal,
        }
        return render(self.request, "anonymization/replay.html", context, status=status)
