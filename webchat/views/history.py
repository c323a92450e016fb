"""The history of settings: of one WebChat, and of the installation."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from lib.ids import is_id
from webchat.models import DataController, SettingChange, TextKind, WebChat
from webchat.setting_changes import PUBLISHED, RETIRED
from webchat.views.base import MANAGE, PUBLISH, settings_page

PAGE_SIZE = 50
#: Names of recorded settings that are not fields of a WebChat.
LABELS: dict[str, str | Promise] = {
    PUBLISHED[TextKind.CONSENT]: _("Published consent version"),
    PUBLISHED[TextKind.NOTICE]: _("Published privacy notice"),
    RETIRED[TextKind.CONSENT]: _("Retired consent version"),
    RETIRED[TextKind.NOTICE]: _("Retired privacy notice"),
}


class Line(NamedTuple):
    """One line of the history: the change, the setting's name, and its values as texts."""

    change: SettingChange
    label: str | Promise
    before: str | Promise
    after: str | Promise


def line_of(change: SettingChange) -> Line:
    """Return a change with the names that the settings pages use."""
    model = WebChat if change.webchat_id else DataController
    fields: dict[str, Field] = {field.name: field for field in model._meta.concrete_fields}
    field = fields.get(change.field)
    label = field.verbose_name if field else LABELS.get(change.field, change.field)
    choices = dict(field.flatchoices) if field else {}
    return Line(change, label, _shown(change.before, choices), _shown(change.after, choices))


def _shown(value: Any, choices: dict[Any, str | Promise]) -> str | Promise:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if value is None or value == "":
        return "–"
    return choices.get(value, str(value))


@settings_page(MANAGE, PUBLISH)
@require_safe
def webchat_history(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the history of a WebChat's settings."""
    webchat = get_object_or_404(WebChat, pk=pk)
    page = _page_of(SettingChange.objects.filter(webchat=webchat), request)
    context = {"webchat": webchat, "tab": "history", **page}
    return render(request, "webchat/history.html", context)


@settings_page(MANAGE, "anonymization.see_erasures")
@require_safe
def gdpr_history(request: HttpRequest) -> HttpResponse:
    """Show the history of the settings of the installation."""
    page = _page_of(SettingChange.objects.filter(webchat=None), request)
    return render(request, "webchat/gdpr_history.html", page)


def _page_of(changes: QuerySet[SettingChange], request: HttpRequest) -> dict[str, Any]:
    """Return one page of the recorded changes, newest first, paged by key."""
    before = request.GET.get("before", "")
    changes = changes.select_related("changed_by").order_by("-pk")
    if is_id(before):
        changes = changes.filter(pk__lt=int(before))
    found = list(changes[: PAGE_SIZE + 1])
    return {
        "lines": [line_of(change) for change in found[:PAGE_SIZE]],
        "older": found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        "paged": bool(before),
    }
