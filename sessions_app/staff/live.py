"""The Live view: the open conversations, waiting ones first, page by page.

It is paged by key, so that a flood of conversations hides nobody. The other order begins with the
visitor who came last. In both orders, each page leads to all that follow.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from lib.pages import staff_page
from sessions_app.http import stream_address
from sessions_app.masking import SEE_PERSONAL_DATA, Reader
from sessions_app.models import Session, SessionQuerySet, Status
from sessions_app.staff.paging import PAGE_SIZE, Position, PositionRefused
from sessions_app.staff.table import SessionTable, with_row_data
from sessions_app.streams import live_state

_COLUMNS = ("id", "status", "created_at", "webchat", "channel", "name", "operator", "messages")
_WAITING = Q(status=Status.WAITING)


@staff_page("sessions_app.see_sessions")
@require_safe
def live_sessions(request: HttpRequest) -> HttpResponse:
    """Show a page of the open conversations, the longest waiting or (``?newest=1``) the newest first.

    The page's script fetches the rows again when its stream reports a change.
    """
    # The state is read before the rows. A change in between is therefore reported again.
    state = live_state()
    newest = request.GET.get("newest") == "1"
    open_ones = Session.objects.exclude(status=Status.CLOSED)
    rows, is_first = _page(open_ones, after=request.GET.get("after", ""), newest=newest)
    following = _following(rows[-1], newest=newest) if rows else Q(pk=None)
    context = {
        "table": SessionTable(rows, columns=_COLUMNS, reader=Reader.of(request.user)),
        "stream": stream_address(request, "live/"),
        "state": state,
        "may_answer": request.user.has_perms(("sessions_app.answer", SEE_PERSONAL_DATA)),
        "newest": newest,
        "is_first": is_first,
        "next": _next_page(rows, newest=newest),
        **open_ones.aggregate(
            more=Count("pk", filter=following),
            waiting=Count("pk", filter=_WAITING),
            latest=Max("pk", filter=_WAITING),
        ),
    }
    htmx: Any = getattr(request, "htmx", None)
    template = "live_rows.html" if htmx and not htmx.history_restore_request else "live.html"
    return render(request, f"sessions_app/staff/{template}", context)


def _page(sessions: SessionQuerySet, *, after: str, newest: bool) -> tuple[list[Session], bool]:
    """Return the page after a position, and whether it is the first one.

    The first page is shown if the position is invalid, or if nobody is left after it.
    """
    ordered = with_row_data(sessions.waiting_first(newest=newest))
    kind, _dot, text = after.partition(".")
    try:
        position = Position.read(text)
    except PositionRefused:
        return list(ordered[:PAGE_SIZE]), True
    later = _later(position, waiting=kind == Status.WAITING, newest=newest)
    rows = list(ordered.filter(later)[:PAGE_SIZE])
    return (rows, False) if rows else (list(ordered[:PAGE_SIZE]), True)


def _next_page(rows: list[Session], *, newest: bool) -> str:
    """Return the query of the page after these rows."""
    position = {"after": f"{rows[-1].status}.{Position.of(rows[-1])}"} if rows else {}
    return urlencode({"newest": "1", **position} if newest else position)


def _following(last: Session, *, newest: bool) -> Q:
    waiting = last.status == Status.WAITING
    return _later(Position.of(last), waiting=waiting, newest=newest)


def _later(position: Position, *, waiting: bool, newest: bool) -> Q:
    """Return the condition of the conversations after a position: see ``waiting_first``."""
    side = "lt" if newest else "gt"
    after = Q(**{f"created_at__{side}": position.created_at}) | Q(
        **{"created_at": position.created_at, f"pk__{side}": position.pk}
    )
    return (_WAITING & after) | ~_WAITING if waiting else ~_WAITING & after
