"""Settings > WebChat: the list, adding, the General page, archiving and restoring."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from anonymization.storage import StorageUnavailable
from lib.pages import staff_of, staff_page
from webchat import figures, services
from webchat.forms import GeneralForm, WebChatForm
from webchat.models import TextKind, WebChat
from webchat.setting_changes import NotRecorded
from webchat.views.base import MANAGE, PUBLISH, remind_to_publish, settings_page

_REFUSALS = (services.NothingPublished, NotRecorded, StorageUnavailable)


@settings_page(MANAGE, PUBLISH)
@require_safe
def list_webchats(request: HttpRequest) -> HttpResponse:
    """List all WebChats, with the archived ones in a separate list."""
    consent = Q(consent_versions__kind=TextKind.CONSENT)
    number = Max("consent_versions__number", filter=consent)
    webchats = list(WebChat.objects.annotate(current_number=number))
    context = {
        "webchats": [webchat for webchat in webchats if webchat.archived_at is None],
        "archived": [webchat for webchat in webchats if webchat.archived_at is not None],
    }
    return render(request, "webchat/webchats.html", context)


@staff_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def add_webchat(request: HttpRequest) -> HttpResponse:
    """Add a WebChat. It is closed to visitors until an entry form is chosen."""
    form = WebChatForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "webchat/webchat_add.html", {"form": form}, status=status)
    webchat = form.save()
    message = _(
        "%(name)s was added. Next: read and publish its consent text, then choose the entry form."
    )
    messages.success(request, message % {"name": webchat.name})
    return redirect("webchat_forms", webchat.pk)


@settings_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def general(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and save the General page of a WebChat.

    A retention period that anonymizes more sessions is not saved with the other settings. The page
    with the preview is shown next.
    """
    webchat = get_object_or_404(WebChat, pk=pk)
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = GeneralForm(*sent, instance=webchat)
    if not form.is_valid():
        return _show_general(request, webchat, form, status=422 if form.is_bound else 200)
    changes = form.changes
    try:
        changed = services.save_settings(webchat, changes=changes, by=staff_of(request))
    except services.TakesMore:
        days = changes.pop("retention_days")
        return _save_others_and_ask(request, webchat, form, days=days, others=changes)
    except _REFUSALS as refusal:
        return _refuse(request, webchat, form, refusal)
    if changed:
        messages.success(request, _("The settings were saved."))
        _remind_to_publish(request, webchat, changed)
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("webchat", webchat.pk)


def _show_general(
    request: HttpRequest, webchat: WebChat, form: GeneralForm, *, status: int
) -> HttpResponse:
    days = webchat.retention_days
    preview = figures.retention(webchat, days=days) if days else None
    context = {"webchat": webchat, "tab": "general", "form": form, "retention": preview}
    return render(request, "webchat/webchat.html", context, status=status)


def _save_others_and_ask(
    request: HttpRequest, webchat: WebChat, form: GeneralForm, *, days: int, others: dict[str, Any]
) -> HttpResponse:
    try:
        if changed := services.save_settings(webchat, changes=others, by=staff_of(request)):
            messages.success(request, _("The other settings were saved."))
            _remind_to_publish(request, webchat, changed)
    except _REFUSALS as refusal:
        return _refuse(request, webchat, form, refusal)
    return redirect(reverse("webchat_retention", args=[webchat.pk]) + f"?days={days}")


def _remind_to_publish(request: HttpRequest, webchat: WebChat, changed: set[str]) -> None:
    if changed & {"retention_days", "second_basis"}:
        remind_to_publish(request, [webchat])


def _refuse(
    request: HttpRequest, webchat: WebChat, form: GeneralForm, refusal: Exception
) -> HttpResponse:
    """Show the page with the refusal at the field that it is about."""
    fields = {services.NothingPublished: "languages", StorageUnavailable: "logo"}
    form.add_error(fields.get(type(refusal)), str(refusal))
    status = 422 if isinstance(refusal, services.NothingPublished) else 503
    return _show_general(request, webchat, form, status=status)


@staff_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def archive_webchat(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then archive a WebChat, so that visitors cannot reach it."""
    webchat = get_object_or_404(WebChat, pk=pk)
    if request.method != "POST":
        return render(request, "webchat/webchat_archive.html", {"webchat": webchat})
    services.archive(webchat)
    message = _("%(name)s was archived. Visitors can no longer reach it.")
    messages.success(request, message % {"name": webchat.name})
    return redirect("webchats")


@staff_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def restore_webchat(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation, then restore an archived WebChat."""
    webchat = get_object_or_404(WebChat, pk=pk)
    if request.method != "POST":
        return render(request, "webchat/webchat_restore.html", {"webchat": webchat})
    services.restore(webchat)
    message = _("%(name)s was restored. Visitors can reach it again.")
    messages.success(request, message % {"name": webchat.name})
    return redirect("webchat", webchat.pk)
