"""The Live view: the open conversations, waiting ones first."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lib.pages import staff_page
from sessions_app.http import stream_address
from sessions_app.masking import SEE_PERSONAL_DATA, Reader
from sessions_app.models import Session, Status
from sessions_app.staff.table import SessionTable, with_row_data
from sessions_app.streams import LIVE_LIMIT, live_state

_COLUMNS = ("id", "status", "created_at", "webchat", "channel", "name", "operator", "messages")


@staff_page("sessions_app.see_sessions")
@require_safe
def live_sessions(request: HttpRequest) -> HttpResponse:
    """Show the open conversations, the longest waiting first.

    The page's script fetches the rows again when its stream reports a change.
    """
    # The state is read before the rows. A change in between is therefore reported again.
    state = live_state()
    sessions = Session.objects.exclude(status=Status.CLOSED).waiting_first()
    rows = list(with_row_data(sessions)[:LIVE_LIMIT])
    context = {
        "table": SessionTable(rows, columns=_COLUMNS, reader=Reader.of(request.user)),
        "waiting": [session.pk for session in rows if session.status == Status.WAITING],
        "stream": stream_address(request, "live/"),
        "state": state,
        "may_answer": request.user.has_perms(("sessions_app.answer", SEE_PERSONAL_DATA)),
    }
    htmx: Any = getattr(request, "htmx", None)
    template = "live_rows.html" if htmx and not htmx.history_restore_request else "live.html"
    return render(request, f"sessions_app/staff/{template}", context)
