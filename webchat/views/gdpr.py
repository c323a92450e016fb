"""Settings > GDPR: the duties, how the product fulfills them, and which personal data it stores."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from anonymization.policy import registry
from anonymization.record_of_processing import chapters_of
from lib.pages import staff_of, staff_page
from webchat import services
from webchat.controller import save_controller
from webchat.forms import DataControllerForm
from webchat.models import DataController, WebChat
from webchat.regulation import DUTIES, Duty
from webchat.setting_changes import NotRecorded
from webchat.views.base import EDIT_GDPR, MANAGE, remind_to_publish, settings_page


@settings_page(MANAGE, "anonymization.see_erasures")
@require_safe
def gdpr(request: HttpRequest) -> HttpResponse:
    """Show the duties, the GDPR data of the company, and the stored personal data."""
    context = {
        "duties": [(duty, _link(request, duty)) for duty in DUTIES],
        "controller": DataController.current(),
        "outdated": services.outdated_versions(WebChat.objects.open()),
        "chapters": chapters_of(registry),
    }
    return render(request, "webchat/gdpr.html", context)


def _link(request: HttpRequest, duty: Duty) -> str:
    """Return the URL of the page that shows the answer, if this staff member may open it."""
    allowed = duty.url_name and request.user.has_perm(duty.permission)
    return reverse(duty.url_name) if allowed else ""


@staff_page(EDIT_GDPR)
@require_http_methods(["GET", "HEAD", "POST"])
def edit_gdpr(request: HttpRequest) -> HttpResponse:
    """Edit the GDPR data of the company.

    Returns 302 if it was saved, 422 if a value is invalid, and 503 if the change cannot be recorded.
    """
    sent = request.POST if request.method == "POST" else None
    form = DataControllerForm(sent, instance=DataController.current())
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            changed = save_controller(form.changes, by=staff_of(request))
        except NotRecorded as refusal:
            form.add_error(None, str(refusal))
            status = 503
        else:
            _report(request, changed=bool(changed))
            return redirect("gdpr")
    return render(request, "webchat/gdpr_edit.html", {"form": form}, status=status)


def _report(request: HttpRequest, *, changed: bool) -> None:
    if not changed:
        messages.info(request, _("Nothing was changed."))
        return
    messages.success(request, _("The GDPR data was saved."))
    remind_to_publish(request, WebChat.objects.open())
