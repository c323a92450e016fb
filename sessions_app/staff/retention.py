"""Settings > WebChat > General > Retention period: preview its effect before it is set."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from sessions_app import retention
from sessions_app.staff.forms import RetentionForm
from webchat.figures import RetentionPreview
from webchat.services import save_settings
from webchat.setting_changes import NotRecorded
from webchat.views.base import WebChatPage, remind_to_publish


class RetentionView(WebChatPage):
    """Show how many sessions a retention period would anonymize, and set it on POST.

    A period that makes sessions due within a week anonymizes them, so it needs the permission to
    anonymize guests. Returns 200 with the page, 302 if the period was set, 403 without that
    permission, 409 if it would now anonymize more sessions than the page showed, and 503 if the
    change cannot be recorded.
    """

    template_name = "sessions_app/staff/webchat_retention.html"
    readable = True
    tab = "general"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._show(RetentionForm({"days": request.GET.get("days"), "shown": 0}))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = RetentionForm(request.POST)
        if not form.is_valid():
            return redirect("webchat", self.webchat.pk)
        days = form.cleaned_data["days"]
        preview = retention.preview(self.webchat, days=days)
        if not self._may_set(preview):
            return self._show(form, status=403)
        if preview.now > form.cleaned_data["shown"]:
            return self._show(form, refused=True, status=409)
        try:
            save_settings(
                self.webchat, changes={"retention_days": days}, by=self.staff, previewed=True
            )
        except NotRecorded as refusal:
            messages.error(request, str(refusal))
            return self._show(form, status=503)
        messages.success(
            request, _("Sessions are anonymized %(days)d days after they end.") % {"days": days}
        )
        remind_to_publish(request, [self.webchat])
        return redirect("webchat", self.webchat.pk)

    def _may_set(self, preview: RetentionPreview) -> bool:
        """Return whether the staff member may let this period anonymize the sessions it makes due.

        Sessions that the current period makes due anyway do not count.
        """
        days = self.webchat.retention_days
        stored = retention.preview(self.webchat, days=days) if days else None
        due = (stored.now, stored.now + stored.week) if stored else (0, 0)
        takes_more = preview.now > due[0] or preview.now + preview.week > due[1]
        return not takes_more or self.staff.has_perm("sessions_app.anonymize_guest")

    def _show(
        self, form: RetentionForm, *, refused: bool = False, status: int = 200
    ) -> HttpResponse:
        if not form.is_valid():
            return redirect("webchat", self.webchat.pk)
        preview = retention.preview(self.webchat, days=form.cleaned_data["days"])
        context = self.get_context_data(
            preview=preview,
            form=RetentionForm(initial={"days": preview.days, "shown": preview.now}),
            refused=refused,
            may_set=self._may_set(preview),
        )
        return self.render_to_response(context, status=status)
