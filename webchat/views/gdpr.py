"""Settings > GDPR: the duties, how the product fulfills them, and which personal data it stores."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.edit import FormMixin, ProcessFormView

from anonymization.policy import registry
from anonymization.record_of_processing import chapters_of
from webchat import services
from webchat.controller import save_controller
from webchat.forms import DataControllerForm
from webchat.models import DataController, WebChat
from webchat.regulation import DUTIES, Duty
from webchat.setting_changes import NotRecorded
from webchat.views.base import EDIT_GDPR, MANAGE, SettingsPage, remind_to_publish


class GdprView(SettingsPage):
    template_name = "webchat/gdpr.html"
    any_permission = (MANAGE, "anonymization.see_erasures")
    readable = True

    def get(self, request: HttpRequest) -> HttpResponse:
        context = self.get_context_data(
            duties=[(duty, self._link(duty)) for duty in DUTIES],
            controller=DataController.current(),
            outdated=services.outdated_versions(WebChat.objects.open()),
            chapters=chapters_of(registry),
        )
        return self.render_to_response(context)

    def _link(self, duty: Duty) -> str:
        """Return the URL of the page that shows the answer, if this staff member may open it."""
        return (
            reverse(duty.url_name)
            if duty.url_name and self.request.user.has_perm(duty.permission)
            else ""
        )


class GdprEditView(FormMixin, SettingsPage, ProcessFormView):
    """Edit the GDPR data of the company.

    Returns 302 if it was saved, 422 if a value is invalid, and 503 if the change cannot be recorded.
    """

    template_name = "webchat/gdpr_edit.html"
    form_class = DataControllerForm
    any_permission = (EDIT_GDPR,)

    def get_form_kwargs(self) -> dict[str, Any]:
        data = self.request.POST if self.request.method == "POST" else None
        return {"data": data, "instance": DataController.current()}

    def form_valid(self, form: BaseForm) -> HttpResponse:
        assert isinstance(form, DataControllerForm)  # noqa: S101
        try:
            changed = save_controller(form.changes, by=self.staff)
        except NotRecorded as refusal:
            form.add_error(None, str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=503)
        if changed:
            messages.success(self.request, _("The GDPR data was saved."))
            remind_to_publish(self.request, WebChat.objects.open())
        else:
            messages.info(self.request, _("Nothing was changed."))
        return redirect("gdpr")

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)
