"""Record that a person has withdrawn their consent in the conversation (GDPR Art. 7(3))."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View

from sessions_app import consent, lock
from sessions_app.models import ConsentEvent, Session
from sessions_app.staff.pages import SEE_PEOPLE, session_page
from sessions_app.withdrawal_mail import tell_officers
from webchat.models import OnWithdrawal


@method_decorator(session_page(*SEE_PEOPLE, "sessions_app.record_withdrawal"), name="dispatch")
class RecordWithdrawal(View):
    """Show what the withdrawal does, and record it on POST.

    Returns 302 to the session's page if it was recorded, and 409 if there is no consent that could
    be withdrawn: none was required, it was withdrawn before, or the session is anonymized.
    """

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, session: Session) -> HttpResponse:
        return self._show(request, session)

    def post(self, request: HttpRequest, session: Session) -> HttpResponse:
        wants_erasure = request.POST.get("all") == "on"
        via = ConsentEvent.Via.CONVERSATION
        try:
            record = consent.withdraw_consent(session, via=via, wants_erasure=wants_erasure)
        except (consent.NothingToWithdraw, lock.SessionClosed):
            session.refresh_from_db()
            return self._show(request, session, status=409)
        session.refresh_from_db()
        if record is None:
            tell_officers(session, link=request.build_absolute_uri(reverse("withdrawals")))
        messages.success(request, _("The withdrawal was recorded."))
        return HttpResponseRedirect(session.get_absolute_url())

    @staticmethod
    def _show(request: HttpRequest, session: Session, *, status: int = 200) -> HttpResponse:
        can = session.withdrawn_at is None and session.anonymized_in is None
        context = {
            "session": session,
            "given": session.consent_given if can else None,
            "at_once": session.webchat.on_withdrawal == OnWithdrawal.ANONYMIZE,
            "refused": status == 409,
        }
        template = "sessions_app/staff/record_withdrawal.html"
        return render(request, template, context, status=status)
