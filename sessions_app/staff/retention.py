"""Settings > WebChat > General > Retention period: preview its effect before it is set."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from lib.pages import staff_of
from sessions_app import retention
from sessions_app.staff.forms import RetentionForm
from webchat.figures import RetentionPreview
from webchat.models import WebChat
from webchat.services import save_settings
from webchat.setting_changes import NotRecorded
from webchat.views.base import MANAGE, remind_to_publish, settings_page


@settings_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def webchat_retention(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how many sessions a retention period would anonymize, and set it on POST.

    A period that makes sessions due within a week anonymizes them, so it needs the permission to
    anonymize guests. Returns 200 with the page, 302 if the period was set, 403 without that
    permission, 409 if it would now anonymize more sessions than the page showed, and 503 if the
    change cannot be recorded.
    """
    webchat = get_object_or_404(WebChat, pk=pk)
    asked = {"days": request.GET.get("days"), "shown": 0}
    form = RetentionForm(request.POST if request.method == "POST" else asked)
    if not form.is_valid():
        return redirect("webchat", webchat.pk)
    days = form.cleaned_data["days"]
    preview = retention.preview(webchat, days=days)
    if request.method != "POST":
        return _show(request, webchat, preview)
    if not _may_set(request, webchat, preview):
        return _show(request, webchat, preview, status=403)
    if preview.now > form.cleaned_data["shown"]:
        return _show(request, webchat, preview, refused=True, status=409)
    try:
        changes = {"retention_days": days}
        save_settings(webchat, changes=changes, by=staff_of(request), previewed=True)
    except NotRecorded as refusal:
        messages.error(request, str(refusal))
        return _show(request, webchat, preview, status=503)
    said = _("Sessions are anonymized %(days)d days after they end.") % {"days": days}
    messages.success(request, said)
    remind_to_publish(request, [webchat])
    return redirect("webchat", webchat.pk)


def _may_set(request: HttpRequest, webchat: WebChat, preview: RetentionPreview) -> bool:
    """Return whether the staff member may let this period anonymize the sessions it makes due.

    Sessions that the current period makes due anyway do not count.
    """
    days = webchat.retention_days
    stored = retention.preview(webchat, days=days) if days else None
    due = (stored.now, stored.now + stored.week) if stored else (0, 0)
    takes_more = preview.now > due[0] or preview.now + preview.week > due[1]
    return not takes_more or request.user.has_perm("sessions_app.anonymize_guest")


def _show(
    request: HttpRequest,
    webchat: WebChat,
    preview: RetentionPreview,
    *,
    refused: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = {
        "webchat": webchat,
        "tab": "general",
        "preview": preview,
        "form": RetentionForm(initial={"days": preview.days, "shown": preview.now}),
        "refused": refused,
        "may_set": _may_set(request, webchat, preview),
    }
    template = "sessions_app/staff/webchat_retention.html"
    return render(request, template, context, status=status)
