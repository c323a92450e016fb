"""Staff pages of the erasure ledger, and the page that confirms an erasure."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Count, Model
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from anonymization import engine, held, maintenance
from anonymization.ledger import recording
from anonymization.ledger.chain import canonical
from anonymization.models import Erasure, FileDeletion, Ground, Note, Source
from anonymization.policy import Policy, registry
from anonymization.record_of_processing import treatments_of
from anonymization.staff.certificate import Certificate, counted, kind_of, says_something
from anonymization.staff.filters import ErasureFilters
from anonymization.staff.grounds import GroundForm
from lib.days import RoundedDay, period_of
from lib.ids import is_id
from lib.pages import StaffPage, staff_page
from lib.words import name_of

PAGE_SIZE = 50
#: Prefix of the hidden fields that identify the rows shown on a confirm page, by model label.
SHOWN = "shown-"


class ConfirmErasureView(StaffPage):
    """Show the number of rows that an erasure would change, and carry it out on POST.

    Subclasses set ``model``, ``permission_required`` and ``template_name``. Status codes:

    - 200: the page
    - 302: redirect to the erasure record, or to the subject if it was anonymized before
    - 422: the ground is invalid
    - 409: the rows differ from those that the page showed, a legal hold rests on all of them, or
      the erasure was refused for another reason

    If a hold rests on some sessions of a guest, the page says which part is erased now.
    """

    http_method_names = ["get", "post"]
    model: type[Model]
    template_name: str

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        subject = self._subject(pk)
        if is_anonymized(subject):
            return redirect(subject)
        return self._show(subject, door=request.GET.get("door", ""))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        subject = self._subject(pk)
        door, form = source_of(request), GroundForm.sent(request.POST)
        if not form.is_valid():
            return self._show(subject, door=door, form=form, status=422)
        try:
            record = engine.erase(
                subject,
                requester=recording.Requester(door, self.staff, ground=form.chosen),
                expected=None if is_anonymized(subject) else shown_in(request.POST),
            )
        except recording.ErasureRefused as refusal:
            return self._show(subject, door=door, form=form, refusal=str(refusal), status=409)
        if record is None:
            messages.info(request, _("This was already anonymized. Nothing was changed."))
            return redirect(subject)
        if held.is_due(subject):
            messages.warning(request, partly_held(record))
        else:
            messages.success(request, summary(record, subject))
        return redirect(record)

    def _subject(self, pk: int) -> Any:
        return get_object_or_404(self.model._base_manager, pk=pk)

    def _show(
        self,
        subject: Model,
        *,
        door: str,
        form: GroundForm | None = None,
        refusal: str = "",
        status: int = 200,
    ) -> HttpResponse:
        preview = engine.preview(subject)
        context = {
            "subject": subject,
            "door": door,
            "form": form or GroundForm.asking(self.default_ground(subject)),
            "refusal": refusal,
            "lines": [line_of(policy, count) for policy, count in preview.lines if count],
            "shown": list(preview.shown.items()),
            "held": preview.held,
            **self.get_context_data(subject, preview),
        }
        return render(self.request, self.template_name, context, status=status)

    def default_ground(self, subject: Any) -> Ground:
        """Return the ground that the menu proposes for this subject."""
        return Ground.REQUEST

    def get_context_data(self, subject: Model, preview: engine.Preview) -> dict[str, Any]:
        """Return additional context of the page of this subject."""
        return {}


def partly_held(record: Erasure) -> str:
    """Return which part of a guest was erased, and what happens to the part under a legal hold."""
    return _(
        "Only a part was anonymized: record %(number)d (%(parts)s). A legal hold rests on the "
        "remaining sessions. They and their guest are kept, and are anonymized when the hold is "
        "released."
    ) % {"number": record.number, "parts": ", ".join(counts_of(record))}


def is_anonymized(subject: Model) -> bool:
    return getattr(subject, registry.get(type(subject)).mark) is not None


def source_of(request: HttpRequest) -> Source:
    """Return the source of an erasure that was confirmed on a page.

    The source is the Django admin only if the user may open it.
    """
    from_admin = request.POST.get("door") == Source.ADMIN and getattr(
        request.user, "is_staff", False
    )
    return Source.ADMIN if from_admin else Source.PAGE


def shown_in(data: QueryDict) -> dict[str, str]:
    """Return the rows that the confirm page showed, from its hidden fields."""
    return {
        name.removeprefix(SHOWN): str(rows) for name, rows in data.items() if name.startswith(SHOWN)
    }


def line_of(policy: Policy, count: int) -> dict[str, Any]:
    """Return one line of what is deleted and what is kept, for a template."""
    by_kind: dict[str, list[Any]] = {}
    for kind, fields, _reason in treatments_of(policy):
        named = [field.verbose_name for field in fields if says_something(policy, field.name)]
        by_kind.setdefault("kept" if kind == "impersonal" else kind, []).extend(named)
    return {"title": name_of(policy.model, count), "count": count, **by_kind}


def summary(record: Erasure, subject: Model) -> str:
    """Return one sentence with the requested row, the record's number and the numbers of rows.

    It is shown once, directly after the erasure. Later, no page tells which record is of which row.
    """
    return _("%(subject)s was anonymized: record %(number)d (%(parts)s).") % {
        "subject": f"{capfirst(name_of(type(subject), 1))} {subject.pk}",
        "number": record.number,
        "parts": ", ".join(counts_of(record)),
    }


def counts_of(record: Erasure) -> list[str]:
    """Return the number of rows of each kind, as ``messages: 3``.

    In this form no language has to inflect the name according to the number. After the facts of the
    record were cleared, only the number of anonymized records is known.
    """
    if record.kind in Note:
        return recording.words_of(record)
    known = [f"{policy.model._meta.verbose_name_plural}: {n}" for policy, n in counted(record)]
    if known or not record.rows:
        return known
    return [_("anonymized records: %(n)d") % {"n": record.rows}]


@staff_page("anonymization.see_erasures")
@require_safe
def erasure_list(request: HttpRequest) -> HttpResponse:
    """Show the erasure ledger, newest first, paged by number.

    An invalid filter shows no records and an error (422).
    """
    before = request.GET.get("before", "")
    filters = ErasureFilters(
        request.GET, queryset=Erasure.objects.select_related("requested_by", "client")
    )
    wrong = not filters.is_valid()
    erasures = Erasure.objects.none() if wrong else filters.qs
    if is_id(before):
        erasures = erasures.filter(number__lt=int(before))
    page = list(erasures[: PAGE_SIZE + 1])
    pending = _pending_files(page)
    rows = [(e, kind_of(e), counts_of(e), pending.get(e.pk, 0)) for e in page[:PAGE_SIZE]]
    older = page[PAGE_SIZE - 1].number if len(page) > PAGE_SIZE else None
    context = {
        "rows": rows,
        "older": older,
        "paged": bool(before),
        "filters": filters,
        "chips": filters.chips,
        "wrong": wrong,
    }
    return render(request, "anonymization/erasure_list.html", context, status=422 if wrong else 200)


def _pending_files(erasures: list[Erasure]) -> dict[uuid.UUID, int]:
    queued = FileDeletion.objects.filter(erasure__in=erasures).order_by()
    return dict(queued.values_list("erasure").annotate(Count("pk")))


@staff_page("anonymization.see_erasures")
@require_safe
def erasure_record(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show the certificate of an erasure, or another record of the ledger, ready to print."""
    erasure = get_object_or_404(Erasure.objects.select_related("requested_by", "client"), pk=pk)
    certificate = _certificate_of(request, erasure)
    context = {
        "erasure": erasure,
        "certificate": certificate,
        "noted": recording.words_of(erasure) if certificate.is_note else [],
        "facts": certificate.facts_state,
        "hashed_entry": canonical(erasure.entry.fields).decode(),
        "hashed_facts": canonical(erasure.clear_facts).decode() if erasure.knows_facts else "",
        "period": RoundedDay.of(period_of(erasure.day)),
        "linked": maintenance.is_linked_by_system_columns(erasure),
    }
    return render(request, "anonymization/erasure_detail.html", context)


@staff_page("anonymization.see_erasures")
@require_safe
def erasure_json(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """Return the certificate of an erasure as a JSON file.

    It has everything that proves the facts later: the chained entry, the facts as they are hashed
    (docs/ledger.md) and their salt. Facts and salt are null after they were cleared.
    """
    erasure = get_object_or_404(Erasure, pk=pk)
    certificate = _certificate_of(request, erasure).as_json()
    response = JsonResponse(certificate, json_dumps_params={"indent": 2})
    name = f"erasure-record-{erasure.number}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _certificate_of(request: HttpRequest, erasure: Erasure) -> Certificate:
    return Certificate(erasure, installation=request.build_absolute_uri("/"))
