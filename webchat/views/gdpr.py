"""Settings > GDPR: the duties, how the product fulfills them, and which personal data it stores."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from anonymization.policy import registry
from anonymization.record_of_processing import chapters_of
from webchat.regulation import DUTIES, Duty
from webchat.views.base import MANAGE, SettingsPage


class GdprView(SettingsPage):
    template_name = "webchat/gdpr.html"
    any_permission = (MANAGE, "anonymization.see_erasures")
    readable = True

    def get(self, request: HttpRequest) -> HttpResponse:
        context = self.get_context_data(
            duties=[(duty, self._link(duty)) for duty in DUTIES],
            controller=[
                value
                for value in (
                    settings.CONTROLLER_NAME,
                    settings.CONTROLLER_ADDRESS,
                    settings.CONTROLLER_CONTACT,
                )
                if value
            ],
            contact=settings.DPA_CONTACT,
            signed_on=settings.DPA_SIGNED_ON,
            counterparty=settings.DPA_COUNTERPARTY,
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
