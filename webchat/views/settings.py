"""Settings > WebChat: the list, adding, the General page, archiving and restoring."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Max, Q
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django.views.generic.edit import FormMixin, ProcessFormView

from anonymization.storage import StorageUnavailable
from lib.pages import staff_page
from webchat import figures, services
from webchat.forms import GeneralForm, WebChatForm
from webchat.models import TextKind, WebChat
from webchat.setting_changes import NotRecorded
from webchat.views.base import MANAGE, PUBLISH, SettingsPage, WebChatPage, remind_to_publish


class WebChatsView(SettingsPage):
    """List all WebChats, with the archived ones in a separate list."""

    template_name = "webchat/webchats.html"
    any_permission = (MANAGE, PUBLISH)
    readable = True

    def get(self, request: HttpRequest) -> HttpResponse:
        webchats = WebChat.objects.annotate(
            current_number=Max(
                "consent_versions__number", filter=Q(consent_versions__kind=TextKind.CONSENT)
            )
        )
        return self.render_to_response(
            self.get_context_data(
                webchats=[webchat for webchat in webchats if webchat.archived_at is None],
                archived=[webchat for webchat in webchats if webchat.archived_at is not None],
            )
        )


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


class GeneralView(FormMixin, WebChatPage, ProcessFormView):
    """Show and save the General page of a WebChat.

    A retention period that anonymizes more sessions is not saved with the other settings. The page
    with the preview is shown next.
    """

    template_name = "webchat/webchat.html"
    form_class = GeneralForm
    readable = True
    tab = "general"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        days = self.webchat.retention_days
        preview = figures.retention(self.webchat, days=days) if days else None
        return super().get_context_data(retention=preview, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"instance": self.webchat}

    def form_valid(self, form: BaseForm) -> HttpResponse:
        assert isinstance(form, GeneralForm)  # noqa: S101
        changes = form.changes
        try:
            changed = services.save_settings(self.webchat, changes=changes, by=self.staff)
        except services.TakesMore:
            return self._save_others_and_ask(form, changes.pop("retention_days"), changes)
        except (services.NothingPublished, NotRecorded, StorageUnavailable) as refusal:
            return self._refuse(form, refusal)
        if changed:
            messages.success(self.request, _("The settings were saved."))
            self._remind_to_publish(changed)
        else:
            messages.info(self.request, _("Nothing was changed."))
        return redirect("webchat", self.webchat.pk)

    def _remind_to_publish(self, changed: set[str]) -> None:
        if changed & {"retention_days", "second_basis"}:
            remind_to_publish(self.request, [self.webchat])

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def _save_others_and_ask(
        self, form: GeneralForm, days: int, others: dict[str, Any]
    ) -> HttpResponse:
        try:
            if changed := services.save_settings(self.webchat, changes=others, by=self.staff):
                messages.success(self.request, _("The other settings were saved."))
                self._remind_to_publish(changed)
        except (services.NothingPublished, NotRecorded, StorageUnavailable) as refusal:
            return self._refuse(form, refusal)
        return redirect(reverse("webchat_retention", args=[self.webchat.pk]) + f"?days={days}")

    def _refuse(self, form: GeneralForm, refusal: Exception) -> HttpResponse:
        if isinstance(refusal, StorageUnavailable):
            form.add_error("logo", str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=503)
        if isinstance(refusal, NotRecorded):
            form.add_error(None, str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=503)
        form.add_error("languages", str(refusal))
        return self.form_invalid(form)


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
