"""Staff pages of legal holds: the list, one hold with its review and release, and a new hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from anonymization import held, holds
from anonymization.ledger import recording
from anonymization.models import DueErasure, Hold, HoldGround, Source
from anonymization.policy import registry
from anonymization.staff.forms import HoldForm, ReviewForm
from lib.pages import StaffPage, staff_page
from lib.words import name_of

MANAGE_HOLDS = "anonymization.manage_holds"
#: The maximum number of holds in the list, those with the earliest review first.
_SHOWN = 200


@staff_page(MANAGE_HOLDS)
@require_safe
def hold_list(request: HttpRequest) -> HttpResponse:
    """Show the active holds, those with the earliest review first."""
    active = Hold.objects.active()
    shown = list(active.select_related("set_by")[:_SHOWN])
    rows = held.rows_of(shown)
    waiting = _with_due_erasure(rows.values())
    context = {
        "rows": [
            (hold, title_of(rows.get(hold.subject)), hold.subject in waiting) for hold in shown
        ],
        "more": active.count() - len(shown) if len(shown) == _SHOWN else 0,
    }
    return render(request, "anonymization/hold_list.html", context)


def title_of(row: Any) -> dict[str, str] | None:
    """Return name and URL of a held row, without its person."""
    if row is None:
        return None
    name = f"{capfirst(name_of(type(row), 1))} {row.pk}"
    return {"name": name, "url": row.get_absolute_url()}


def _with_due_erasure(rows: Iterable[Model]) -> set[UUID]:
    """Return the random identifiers of the rows for which an erasure is waiting."""
    if not DueErasure.objects.exists():
        return set()
    return {row.uid for row in rows if held.due_erasures(row)}  # type: ignore[attr-defined]


class HoldPage(StaffPage):
    """A page of one hold. It returns 404 if the hold does not exist, 409 if it was released."""

    http_method_names = ["get", "head", "post"]
    permission_required = MANAGE_HOLDS
    template_name: str

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        hold = self._hold(pk)
        return self.show(hold, status=409 if hold.released_at else 200)

    def _hold(self, pk: int) -> Hold:
        people = ("set_by", "reviewed_by", "released_by")
        return get_object_or_404(Hold.objects.select_related(*people), pk=pk)

    def show(
        self, hold: Hold, *, form: ReviewForm | None = None, refusal: str = "", status: int = 200
    ) -> HttpResponse:
        row = held.rows_of([hold]).get(hold.subject)
        context = {
            "hold": hold,
            "subject": title_of(row),
            "due": held.due_erasures(row) if row is not None else [],
            "others": len(held.holds_on(row)) - 1 if row is not None else 0,
            "form": form or ReviewForm(initial={"review_on": hold.review_on}),
            "refusal": refusal,
        }
        return render(self.request, self.template_name, context, status=status)


class HoldDetail(HoldPage):
    """Show a hold. POST keeps it until another day of review.

    Returns 302 if the day was stored, and 422 if it is not valid.
    """

    template_name = "anonymization/hold.html"

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        hold, form = self._hold(pk), ReviewForm(request.POST)
        if not form.is_valid():
            return self.show(hold, form=form, status=422)
        day = form.cleaned_data["review_on"]
        try:
            holds.review_hold(hold, review_on=day, reviewed_by=self.staff)
        except holds.HoldRefused as refusal:
            return self.show(self._hold(pk), refusal=str(refusal), status=409)
        messages.success(request, _("The hold is kept. The next review is set."))
        return redirect("hold", pk)


class ReleaseHold(HoldPage):
    """Show what a release does. POST releases the hold and carries out the due erasure.

    Returns 302 if the hold was released. Returns 409 if it was released before, or if the erasure
    was refused; nothing is changed then.
    """

    template_name = "anonymization/hold_release.html"

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        hold = self._hold(pk)
        try:
            released = holds.release_hold(hold, source=Source.PAGE, released_by=self.staff)
        except (holds.HoldRefused, recording.ErasureRefused) as refusal:
            return self.show(self._hold(pk), refusal=str(refusal), status=409)
        messages.success(request, _summary(released))
        return redirect("holds")


def _summary(released: holds.Released) -> str:
    """Return a sentence that says what a release has done."""
    parts = [_("The hold was released.")]
    if number := len(released.records):
        parts.append(
            ngettext(
                "The erasure that had waited for it was carried out.",
                "The %(n)s erasures that had waited for it were carried out.",
                number,
            )
            % {"n": number}
        )
    if released.still_due:
        parts.append(_("An erasure still waits for another hold."))
    return " ".join(parts)


class SetHoldView(StaffPage):
    """Set a hold on a guest or session. Subclasses set ``model`` and ``permission_required``.

    Returns 200 with the form, 302 to the page of the held row, 404 if the row does not exist, 409
    if it is anonymized, and 422 if the form is not valid.
    """

    http_method_names = ["get", "head", "post"]
    model: type[Model]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        row: Any = get_object_or_404(self.model._base_manager, pk=pk)
        if getattr(row, registry.get(self.model).mark) is not None:
            return self._show(row, HoldForm(), refusal=str(holds.nothing_to_hold()), status=409)
        return self._show(row, HoldForm())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row: Any = get_object_or_404(self.model._base_manager, pk=pk)
        form = HoldForm(request.POST)
        if not form.is_valid():
            return self._show(row, form, status=422)
        values = form.cleaned_data | {"ground": HoldGround(form.cleaned_data["ground"])}
        try:
            holds.set_hold(row, **values, set_by=self.staff)
        except ValidationError as wrong:  # The day has changed since the form was checked.
            form.add_error(None, wrong)
            return self._show(row, form, status=422)
        except holds.HoldRefused as refusal:
            return self._show(row, form, refusal=str(refusal), status=409)
        messages.success(request, _("The hold was set. The data is kept until it is released."))
        return redirect(row)

    def _show(
        self, row: Model, form: HoldForm, *, refusal: str = "", status: int = 200
    ) -> HttpResponse:
        context = {"subject": title_of(row), "form": form, "refusal": refusal}
        return render(self.request, "anonymization/hold_set.html", context, status=status)
