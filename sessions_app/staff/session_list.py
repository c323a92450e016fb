"""The Sessions table with its filters, columns and pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from lib.pages import StaffPage, staff_page
from sessions_app.masking import Reader
from sessions_app.models import Session
from sessions_app.staff.column_choice import choose_columns, chosen_columns, forget_columns
from sessions_app.staff.filters import SessionFilters, only_filters
from sessions_app.staff.forms import ColumnsForm
from sessions_app.staff.paging import KeyPage, PositionRefused, page_by_key
from sessions_app.staff.table import SessionTable, with_row_data


def bulk_allowed(request: HttpRequest) -> bool:
    return request.user.has_perm("sessions_app.anonymize_session")


class SessionList(StaffPage):
    """List sessions, newest first.

    A wrong filter lists nothing and shows the error (422). Otherwise a staff member could select
    and anonymize more sessions than they asked for. htmx receives only the list, with 200, because
    it swaps errors in too.
    """

    http_method_names = ["get", "head"]
    permission_required: str | tuple[str, ...] = "sessions_app.see_sessions"

    def get(self, request: HttpRequest) -> HttpResponse:
        filters = SessionFilters(request.GET, queryset=Session.objects.all())
        try:
            page = self._page(filters)
        except PositionRefused as refused:
            return self._show(filters, KeyPage(rows=[]), problem=str(refused))
        return self._show(filters, page)

    def _page(self, filters: SessionFilters) -> KeyPage:
        if not filters.is_valid():
            return KeyPage(rows=[])
        position: dict[str, Any] = {
            name: self.request.GET.get(name, "") for name in ("after", "before")
        }
        if not filters.by_consent:
            return page_by_key(with_row_data(filters.qs), **position)
        # The database sorts all sessions that match. It should not join the other tables to them.
        keys = page_by_key(filters.qs.only("created_at"), **position)
        return keys.read_from(with_row_data(Session.objects.all()))

    def _show(self, filters: SessionFilters, page: KeyPage, *, problem: str = "") -> HttpResponse:
        request = self.request
        htmx: Any = getattr(request, "htmx", None)
        partial = bool(htmx) and not htmx.history_restore_request
        columns = chosen_columns(request)
        reader, may_anonymize = Reader.of(request.user), bulk_allowed(request)
        wrong = bool(problem) or not filters.is_valid()
        context = {
            "filters": filters,
            "chips": filters.chips,
            "page": page,
            "table": SessionTable(page.rows, columns=columns, reader=reader, select=may_anonymize),
            "columns_form": ColumnsForm(initial={"columns": columns}, auto_id="columns_%s"),
            "may_anonymize": may_anonymize,
            "may_export": request.user.has_perm("sessions_app.export_sessions"),
            "links": page_links(filters.query, page),
            "problem": problem,
            "wrong": wrong,
        }
        template = "session_results.html" if partial else "session_list.html"
        status = 422 if wrong and not partial else 200
        response = render(request, f"sessions_app/staff/{template}", context, status=status)
        if partial and not wrong:
            response.headers["HX-Push-Url"] = table_address(request.GET.urlencode())
        return response


def table_address(query: str) -> str:
    """Return the URL of the table with the valid filters and the page of a query string."""
    sent = QueryDict(query)
    position = {name: sent[name] for name in ("after", "before") if sent.get(name)}
    kept = "&".join(filter(None, (only_filters(query), urlencode(position))))
    return reverse("sessions") + (f"?{kept}" if kept else "")


def page_links(query: str, page: KeyPage) -> dict[str, str]:
    """Return the query strings of the adjacent pages. An empty one means there is no such page."""

    def link(name: str, position: str) -> str:
        return (
            "?" + "&".join(filter(None, (query, urlencode({name: position})))) if position else ""
        )

    first = f"?{query}" if page.newer else ""
    return {"first": first, "newer": link("before", page.newer), "older": link("after", page.older)}


@staff_page("sessions_app.see_sessions")
@require_POST
def set_columns(request: HttpRequest) -> HttpResponse:
    """Store the chosen columns in the login session. Return to the list with the same filters."""
    form = ColumnsForm(request.POST)
    if "reset" in request.POST:
        forget_columns(request)
    elif form.is_valid():
        choose_columns(request, form.cleaned_data["columns"])
    else:
        messages.error(request, _("Select at least one column. The columns were not changed."))
    query = only_filters(request.POST.get("query", ""))
    return HttpResponseRedirect(reverse("sessions") + (f"?{query}" if query else ""))
