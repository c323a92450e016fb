"""Settings > WebChat: the list, add, General, archive and restore."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.edit import FormMixin, ProcessFormView

from webchat import services
from webchat.forms import GeneralForm, RetentionForm, WebChatForm
from webchat.models import WebChat
from webchat.views.base import MANAGE, PUBLISH, SettingsPage, WebChatPage


class WebChatsView(SettingsPage):
    """All WebChats, the archived ones apart."""

    template_name = "webchat/webchats.html"
    any_permission = (MANAGE, PUBLISH)

    def get(self, request: HttpRequest) -> HttpResponse:
        webchats = WebChat.objects.annotate(current_number=Max("consent_versions__number"))
        return self.render_to_response(
            self.get_context_data(
                webchats=[webchat for webchat in webchats if webchat.archived_at is None],
                archived=[webchat for webchat in webchats if webchat.archived_at is not None],
            )
        )


class WebChatAddView(FormMixin, SettingsPage, ProcessFormView):
    """Add a WebChat; its entry forms are None until its consent text is published."""

    template_name = "webchat/webchat_add.html"
    form_class = WebChatForm

    def form_valid(self, form: BaseForm) -> HttpResponse:
        assert isinstance(form, WebChatForm)  # noqa: S101
        webchat = form.save()
        message = _("%(name)s was added. Next: read its consent text, publish it, and choose the entry form.")
        messages.success(self.request, message % {"name": webchat.name})
        return redirect("webchat_forms", webchat.pk)

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class GeneralView(FormMixin, WebChatPage, ProcessFormView):
    """The General page of a WebChat.

    A retention period that takes more is not saved with the rest: the page that shows what it takes follows.
    """

    template_name = "webchat/webchat.html"
    form_class = GeneralForm
    tab = "general"

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"instance": self.webchat}

    def form_valid(self, form: BaseForm) -> HttpResponse:
        assert isinstance(form, GeneralForm)  # noqa: S101
        changes = form.changes
        asks = services.takes_more(self.webchat.retention_days, changes.get("retention_days"))
        if asks:
            del changes["retention_days"]
        elif not changes:
            messages.info(self.request, _("Nothing was changed."))
            return redirect("webchat", self.webchat.pk)
        try:
            services.save_settings(self.webchat, changes=changes)
        except services.NothingPublished as refusal:
            form.add_error("languages", str(refusal))
            return self.form_invalid(form)
        if asks:
            return self._ask(form.cleaned_data["retention_days"], saved=bool(changes))
        messages.success(self.request, _("The settings were saved."))
        return redirect("webchat", self.webchat.pk)

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        days = self.webchat.retention_days
        kwargs["retention"] = services.preview_retention(self.webchat, days=days) if days else None
        return super().get_context_data(**kwargs)

    def _ask(self, days: int, *, saved: bool) -> HttpResponse:
        if saved:
            messages.success(self.request, _("The other settings were saved."))
        return redirect(reverse("webchat_retention", args=[self.webchat.pk]) + f"?days={days}")


class RetentionView(WebChatPage):
    """Show what a retention period would take, and set it on POST.

    200 the page, 302 set, 409 when by now it would take more than the page showed.
    """

    template_name = "webchat/webchat_retention.html"
    tab = "general"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._show(RetentionForm({"days": request.GET.get("days"), "shown": 0}))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = RetentionForm(request.POST)
        if not form.is_valid():
            return redirect("webchat", self.webchat.pk)
        days = form.cleaned_data["days"]
        if services.preview_retention(self.webchat, days=days).now > form.cleaned_data["shown"]:
            return self._show(form, refused=True, status=409)
        services.save_settings(self.webchat, changes={"retention_days": days})
        messages.success(request, _("Sessions older than %(days)d days will be anonymized.") % {"days": days})
        return redirect("webchat", self.webchat.pk)

    def _show(self, form: RetentionForm, *, refused: bool = False, status: int = 200) -> HttpResponse:
        if not form.is_valid():
            return redirect("webchat", self.webchat.pk)
        preview = services.preview_retention(self.webchat, days=form.cleaned_data["days"])
        context = self.get_context_data(
            preview=preview,
            form=RetentionForm(initial={"days": preview.days, "shown": preview.now}),
            refused=refused,
        )
        return self.render_to_response(context, status=status)


class ArchiveView(WebChatPage):
    """Ask, then close a WebChat for visitors."""

    template_name = "webchat/webchat_archive.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.render_to_response(self.get_context_data())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.archive(self.webchat)
        message = _("%(name)s was archived. Visitors can no longer reach it.")
        messages.success(request, message % {"name": self.webchat.name})
        return redirect("webchats")


class RestoreView(WebChatPage):
    """Ask, then open an archived WebChat again."""

    template_name = "webchat/webchat_restore.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.render_to_response(self.get_context_data())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        services.restore(self.webchat)
        message = _("%(name)s was restored. Visitors can reach it again.")
        messages.success(request, message % {"name": self.webchat.name})
        return redirect("webchat", self.webchat.pk)
