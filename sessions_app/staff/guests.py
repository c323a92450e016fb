"""The page of a guest with their sessions, and the search for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from anonymization.held import holds_on
from lib.pages import StaffPage, staff_page
from sessions_app.masking import Reader, hidden_guests
from sessions_app.models import Guest, Session
from sessions_app.people import LIMIT, SEVERAL, Search, find_people
from sessions_app.staff.forms import FindForm
from sessions_app.staff.pages import SEE_PEOPLE
from sessions_app.staff.paging import KeyPage, PositionRefused, page_by_key
from sessions_app.staff.same_values import same_values
from sessions_app.staff.session_list import page_links
from sessions_app.staff.table import SessionTable, with_row_data

_GUEST_COLUMNS = (
    "id",
    "created_at",
    "webchat",
    "channel",
    "status",
    "consent",
    "operator",
    "messages",
)
_PAGE_SIZE = 20
#: No country has numbers with fewer digits. A country code would not make them valid.
_NATIONAL_DIGITS = 6


@staff_page("sessions_app.see_sessions")
@require_safe
def guest_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a guest and their sessions. For an anonymized guest, show the period of the erasure."""
    guest = get_object_or_404(Guest, pk=pk)
    try:
        page, status = _page_of(guest, request.GET), 200
    except PositionRefused as refused:
        messages.error(request, str(refused))
        page, status = KeyPage(rows=[]), 422
    reader = Reader.of(request.user)
    hidden = hidden_guests(reader, [guest.pk]).get(guest.pk, "")
    context = {
        "guest": guest,
        "page": page,
        "table": SessionTable(page.rows, columns=_GUEST_COLUMNS, reader=reader),
        "links": page_links("", page),
        "sees_people": reader.sees_people,
        "hidden": hidden,
        "same_values": same_values(guest, reader),
        "holds": holds_on(guest) if guest.is_held else [],
        "may_hold": reader.manages_holds and not guest.anonymized_in,
        "may_anonymize": request.user.has_perm("sessions_app.anonymize_guest")
        and not guest.anonymized_in,
    }
    return render(request, "sessions_app/staff/guest.html", context, status=status)


def _page_of(guest: Guest, query: QueryDict) -> KeyPage:
    return page_by_key(
        with_row_data(Session.objects.filter(guest=guest)),
        after=query.get("after", ""),
        before=query.get("before", ""),
        size=_PAGE_SIZE,
    )


class FindPerson(StaffPage):
    """Find a person by name, e-mail and phone, without selecting anybody.

    Only POST is accepted, so that a URL never contains personal data. htmx swaps the form and the
    result into the page that was opened by GET. A browser can therefore return to that page, and
    the answer to the POST is not stored. htmx receives 200 also for errors, because it swaps them
    in.
    """

    http_method_names = ["get", "head", "post"]
    permission_required = SEE_PEOPLE

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(FindForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = FindForm(request.POST)
        if not form.is_valid():
            return self._show(form, status=422)
        search = find_people(**form.cleaned_data)
        for part, reason in search.refused.items():
            text = form.cleaned_data[part]
            form.add_error(part, " ".join(_explained(part, text, reason, search)))
        return self._show(form, search=search, status=200 if search.searched else 422)

    def _show(
        self, form: FindForm, *, search: Search | None = None, status: int = 200
    ) -> HttpResponse:
        matches = search.matches if search else []
        hidden = hidden_guests(Reader.of(self.request.user), [match.guest.pk for match in matches])
        context: dict[str, Any] = {
            "form": form,
            "search": search,
            "found": [(match, hidden.get(match.guest.pk, "")) for match in matches],
            "limit": LIMIT,
        }
        if getattr(self.request, "htmx", False):
            return render(self.request, "sessions_app/staff/find_people.html", context)
        return render(self.request, "sessions_app/staff/find.html", context, status=status)


def _explained(part: str, text: str, reason: str, search: Search) -> Iterator[str]:
    """Yield why a value was not used, advice, and that the other values were searched."""
    if reason == SEVERAL:
        yield {
            "email": _("These are several e-mail addresses. Search for one at a time."),
            "phone": _("These are several phone numbers. Search for one at a time."),
        }[part]
    else:
        yield {
            "name": _("This name contains no letters."),
            "email": _("This is not an e-mail address."),
            "phone": _("This is not a complete phone number."),
        }[part]
        if part == "phone" and sum(map(str.isdigit, text)) >= _NATIONAL_DIGITS:
            yield _("Add the country code.")
    if search.searched:
        yield _("It was not used in the search.")
