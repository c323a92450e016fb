"""The ledger as pages, and the page that every erasure asked for in a browser passes."""

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

from anonymization import engine, maintenance
from anonymization.ledger import recording
from anonymization.models import Erasure, FileDeletion, Note, Source
from anonymization.policy import Policy, registry
from anonymization.record_of_processing import treatments_of
from anonymization.staff.filters import ErasureFilters
from lib.ids import is_id
from lib.pages import StaffPage, staff_page

PAGE_SIZE = 50
#: Prefix of the hidden fields that say which rows a confirm page showed, by model label.
SHOWN = "shown-"
#: How many emptied rows the record of an erasure links.
MAX_LINKS = 200


class ConfirmErasureView(StaffPage):
    """Show in counts what an erasure would take, and carry it out on POST.

    200 the page, 302 to the record, 409 when it is not exactly what the page showed that would be erased.
    Subclasses name ``model``, ``permission_required`` and ``template_name``.
    """

    http_method_names = ["get", "post"]
    model: type[Model]
    template_name: str

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        subject = self._subject(pk)
        if record := self._record_of(subject):
            return redirect(record)
        return self._show(subject, door=request.GET.get("door", ""))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        subject = self._subject(pk)
        door = source_of(request)
        shown = shown_in(request.POST)
        try:
            record, erased = engine.erase(
                subject,
                requester=recording.Requester(door, self.staff),
                expected=None if self._record_of(subject) else shown,
            )
        except recording.ErasureRefused as refusal:
            return self._show(subject, door=door, refusal=str(refusal), status=409)
        messages.success(
            request, summary(record) if erased else _("This was already anonymized. Nothing was changed.")
        )
        return redirect(record)

    def _subject(self, pk: int) -> Model:
        return get_object_or_404(self.model._base_manager, pk=pk)

    @staticmethod
    def _record_of(subject: Model) -> Erasure | None:
        policy = registry.get(type(subject))
        record: Erasure | None = getattr(subject, policy.record)
        return record if getattr(subject, policy.mark) is not None else None

    def _show(self, subject: Model, *, door: str, refusal: str = "", status: int = 200) -> HttpResponse:
        preview = engine.preview(subject)
        context = {
            "subject": subject,
            "door": door,
            "refusal": refusal,
            "lines": [line_of(policy, count) for policy, count in preview.lines if count],
            "shown": list(preview.shown.items()),
            **self.get_context_data(subject, preview),
        }
        return render(self.request, self.template_name, context, status=status)

    def get_context_data(self, subject: Model, preview: engine.Preview) -> dict[str, Any]:
        """Return what the subject's own page shows besides."""
        return {}


def source_of(request: HttpRequest) -> Source:
    """Return by which door a confirm page was reached: the stock admin's only for who may open it."""
    from_admin = request.POST.get("door") == Source.ADMIN and getattr(request.user, "is_staff", False)
    return Source.ADMIN if from_admin else Source.PAGE


def shown_in(data: QueryDict) -> dict[str, str]:
    """Return which rows the confirm page showed, as it sent them along."""
    return {name.removeprefix(SHOWN): str(rows) for name, rows in data.items() if name.startswith(SHOWN)}


def line_of(policy: Policy, count: int) -> dict[str, Any]:
    """Return one line of what goes and what stays, for a template."""
    by_kind: dict[str, list[Any]] = {}
    for kind, fields, _reason in treatments_of(policy):
        named = [field.verbose_name for field in fields if _says_something(policy, field.name)]
        by_kind.setdefault(kind, []).extend(named)
    return {"title": name_of(policy.model, count), "count": count, **by_kind}


def _says_something(policy: Policy, name: str) -> bool:
    """Say whether a reader learns from a field: not from keys, digests and what the erasure itself writes down."""
    return not name.endswith("_key") and name not in (policy.mark, policy.record)


def name_of(model: type[Model], count: int) -> str:
    """Return what so many rows of a model are called."""
    return str(model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural)


def summary(record: Erasure) -> str:
    """Return in one sentence, in numbers, what an erasure took, and its record."""
    parts = ", ".join(counts_of(record))
    return _("Anonymized, record %(number)d: %(parts)s.") % {"number": record.number, "parts": parts}


def counts_of(record: Erasure) -> list[str]:
    """Return how many rows of each kind went, as ``messages: 3``: no language then declines the name by the count."""
    return [f"{policy.model._meta.verbose_name_plural}: {n}" for policy, n in counted(record)]


def counted(record: Erasure) -> list[tuple[Policy, int]]:
    """Return the kinds of rows that went and how many, in the registry's order; a database keeps none of its own."""
    return [(policy, n) for policy in registry if (n := record.counts.get(policy.label, 0))]


@staff_page("anonymization.see_erasures")
@require_safe
def erasure_list(request: HttpRequest) -> HttpResponse:
    """The ledger, the newest first, paged by number. A wrong filter lists nothing and says what is wrong (422)."""
    before = request.GET.get("before", "")
    filters = ErasureFilters(request.GET, queryset=Erasure.objects.select_related("requested_by", "client"))
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
    """The record of one erasure, fit for print."""
    erasure = get_object_or_404(Erasure.objects.select_related("requested_by", "client"), pk=pk)
    policies = {policy.label: policy for policy in registry}
    context = {
        "erasure": erasure,
        "kind": kind_of(erasure),
        "lines": [line_of(policy, count) for policy, count in counted(erasure)],
        "shells": [
            shell for label, keys in erasure.shells.items() for shell in _shells(policies[label], keys)
        ],
        "pending": erasure.pending_files,
        "logically": maintenance.logically_complete_at(erasure),
        "physically": maintenance.physically_complete_at(erasure),
        "evidence": evidence_of(erasure),
        "head": recording.head(),
    }
    return render(request, "anonymization/erasure_detail.html", context)


@staff_page("anonymization.see_erasures")
@require_safe
def erasure_json(request: HttpRequest, pk: uuid.UUID) -> JsonResponse:
    """The same record for a program or an archive."""
    erasure = get_object_or_404(Erasure, pk=pk)
    head = recording.head()
    return JsonResponse(
        {
            "ledger": erasure.entry.as_fields(),
            "head": {"sequence": head.sequence, "hash": head.hash},
            "door": erasure.door,
            "counts": erasure.counts,
            "emptied": erasure.shells,
            "evidence": evidence_of(erasure),
            "pending_files": erasure.pending_files,
            "logically_complete_at": maintenance.logically_complete_at(erasure),
            "physically_complete_at": maintenance.physically_complete_at(erasure),
        }
    )


def evidence_of(erasure: Erasure) -> list[str]:
    """Return in words what the rows prove that stay with the emptied ones: versions of the consent text."""
    found: set[str] = set()
    for policy in registry:
        step = (policy.subject or "").partition("__")[0]
        if policy.evidence is None or not step:
            continue
        owner: Any = policy.fields[step].related_model
        keys = erasure.shells.get(owner._meta.label, [])
        found.update(policy.evidence(policy.model._base_manager.filter(**{f"{step}__in": keys})))
    return sorted(found)


def _shells(policy: Policy, keys: list[int]) -> list[tuple[str, str]]:
    """Return the address and the name of each emptied row."""
    rows: Any = policy.model._base_manager.filter(pk__in=keys[:MAX_LINKS]).order_by("pk")
    return [(row.get_absolute_url(), f"{capfirst(name_of(policy.model, 1))} {row.pk}") for row in rows]


def kind_of(erasure: Erasure) -> str:
    """Return what was erased, in words: guest or session; or what the record notes about the ledger itself."""
    if erasure.kind in Note:
        return str(Note(erasure.kind).label)
    return next(name_of(p.model, 1) for p in registry if p.label == erasure.kind)
