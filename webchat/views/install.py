"""Settings > WebChat > Install: the code for the site, the button, and the allowed sites."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.edit import FormMixin, ProcessFormView

from webchat import services
from webchat.forms import InstallForm
from webchat.models import WebChat
from webchat.views.base import WebChatPage
from webchat.widget import words_of


class Snippet(NamedTuple):
    """The code that a site copies into its pages for one channel."""

    label: str | Promise
    code: str


def snippets_of(request: HttpRequest, webchat: WebChat) -> list[Snippet]:
    """Return the code for the chat and for the showroom. Without JavaScript it shows a link."""
    words = words_of(webchat, webchat.first_language)
    script, chat, showroom = (
        request.build_absolute_uri(reverse(name, args=[webchat.public_id]))
        for name in ("widget_js", "entry", "showroom")
    )
    return [
        Snippet(gettext_lazy("Chat"), _code(script, "", chat, words["chat"])),
        Snippet(
            gettext_lazy("Showroom"),
            _code(script, ' data-channel="showroom"', showroom, words["showroom"]),
        ),
    ]


def _code(script: str, attributes: str, page: str, text: str) -> str:
    return (
        f'<script src="{script}"{attributes} async></script>\n'
        f'<noscript><a href="{page}" target="_blank" rel="noopener">{escape(text)}</a></noscript>'
    )


class InstallView(FormMixin, WebChatPage, ProcessFormView):
    template_name = "webchat/install.html"
    form_class = InstallForm
    readable = True
    tab = "install"

    def get_form_kwargs(self) -> dict[str, Any]:
        data = self.request.POST if self.request.method == "POST" else None
        return {"data": data, "webchat": self.webchat}

    def form_valid(self, form: BaseForm) -> HttpResponse:
        assert isinstance(form, InstallForm)  # noqa: S101
        if changes := form.changes:
            services.save_settings(self.webchat, changes=changes, by=self.staff)
            messages.success(
                self.request,
                _("The settings were saved. Your sites will pick them up within five minutes."),
            )
        else:
            messages.info(self.request, _("Nothing was changed."))
        return redirect("webchat_install", self.webchat.pk)

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs["snippets"] = snippets_of(self.request, self.webchat)
        kwargs["words"] = words_of(self.webchat, self.webchat.first_language)
        return super().get_context_data(**kwargs)
