"""The page *Prove an erasure*: it answers what the ledger says about a receipt or a certificate.

What is presented is sent by POST only. It is not stored, not logged, and not part of a URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from anonymization.ledger.chain import BrokenChain
from anonymization.ledger.proof import ShownText
from anonymization.models import LedgerState
from anonymization.proving import Answer, prove
from anonymization.staff.certificate import facts_in_words, kind_of, statement_in_words
from lib.pages import StaffPage
from sessions_app.staff.forms import ProveForm
from webchat.models import ConsentText


class ProveErasure(StaffPage):
    """Prove an erasure.

    Status codes:

    - 200: the page, or an answer, also one that proves nothing
    - 413: the request is too large
    - 422: what is presented cannot be used
    """

    http_method_names = ["get", "head", "post"]
    permission_required = "anonymization.see_erasures"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(ProveForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ProveForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._show(form, status=422)
        presented, saved = form.cleaned_data["read"], form.cleaned_data["head"]
        try:
            answer = prove(presented, saved=saved)
        except BrokenChain as broken:
            return self._show(ProveForm(), broken=broken.sequence)
        context = {
            "answer": answer,
            "verdict": answer.verdict.value,
            "kind": kind_of(answer.erasure) if answer.erasure else "",
            "saved": saved,
            "differences": list(_differences(answer)),
            "facts": _proven_facts(answer),
            "texts": list(_texts(presented.text)) if presented.text else [],
        }
        return self._show(ProveForm(), **context)

    def _show(self, form: ProveForm, *, status: int = 200, **context: Any) -> HttpResponse:
        context = {"form": form, "ledger": LedgerState.objects.first(), **context}
        return render(self.request, "sessions_app/staff/prove.html", context, status=status)


def _differences(answer: Answer) -> Iterator[tuple[str, str, str]]:
    for name, presented, recorded in answer.comparison.differences if answer.comparison else ():
        yield statement_in_words(name, presented, recorded)


def _proven_facts(answer: Answer) -> list[tuple[str, str]]:
    """Return the facts that a certificate proves, in words."""
    comparison, facts = answer.comparison, answer.presented.facts
    if not answer.is_proven or comparison is None or facts is None:
        return []
    return facts_in_words(facts) if comparison.facts.value == "match" else []


class NamedText(NamedTuple):
    """A published text that a receipt names by its hash.

    ``is_named_so`` is false if the receipt states another version or language.
    """

    text: ConsentText
    is_named_so: bool


def _texts(shown: ShownText) -> Iterator[NamedText]:
    texts = ConsentText.objects.filter(sha256=shown.sha256)
    for text in texts.select_related("version__webchat").order_by("pk")[:10]:
        version = shown.version in {None, text.version.number}
        yield NamedText(text, version and shown.language in {"", text.language})
