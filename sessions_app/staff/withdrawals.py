"""The list of withdrawals that wait for the data protection officer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lib.pages import staff_page
from sessions_app.models import Session
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
