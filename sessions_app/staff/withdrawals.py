"""The list of withdrawals that wait for the officer, and the page that records one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from lib.pages import staff_of, staff_page
from sessions_app import consent, lock
from sessions_app.models import Session
from sessions_app.staff.pages import RECORD_WITHDRAWALS, SEE_PEOPLE, session_page
from sessions_app.staff.session_detail import show_session
from sessions_app.staff.table import with_row_data

_SHOWN = 100


@staff_page("sessions_app.see_sessions", "sessions_app.anonymize_session")
@require_safe
def withdrawals(request: HttpRequest) -> HttpResponse:
    """Show the sessions with withdrawn consent that still contain personal data, the oldest first.

    The list identifies nobody. A session is no longer listed once it is anonymized.
    """
    waiting = Session.objects.withdrawn()
    rows = list(with_row_data(waiting).order_by("withdrawn_at", "pk")[:_SHOWN])
    more = Session.objects.count_withdrawn() - len(rows) if len(rows) == _SHOWN else 0
    return render(request, "sessions_app/staff/withdrawals.html", {"sessions": rows, "more": more})


@session_page(*SEE_PEOPLE, any_of=RECORD_WITHDRAWALS)
@require_http_methods(["GET", "HEAD", "POST"])
def record_withdrawal(request: HttpRequest, session: Session) -> HttpResponse:
    """Ask for a confirmation, then record a withdrawal that the person told in the conversation.

    Returns 409 with the session's page if there is no consent that could be withdrawn.
    """
    if request.method != "POST":
        return render(request, "sessions_app/staff/record_withdrawal.html", {"session": session})
    try:
        record = consent.withdraw_consent(session, told_to=staff_of(request))
    except consent.NothingToWithdraw:
        reason = _("This session has no consent that could be withdrawn.")
    except lock.SessionClosed as refusal:
        reason = str(refusal)
    else:
        messages.success(request, _("The withdrawal was recorded."))
        if record is not None:
            messages.info(request, _("The session was anonymized, as the WebChat is configured."))
        return redirect(session)
    session.refresh_from_db()
    messages.error(request, reason)
    return show_session(request, session, status=409)
