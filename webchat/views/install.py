"""Settings > WebChat > Install: the code for the site, the button, and the allowed sites."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from lib.pages import staff_of
from webchat import services
from webchat.forms import InstallForm
from webchat.models import WebChat
from webchat.views.base import MANAGE, settings_page
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


@settings_page(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def install(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the code for the site, and save the allowed sites and the button."""
    webchat = get_object_or_404(WebChat, pk=pk)
    form = InstallForm(request.POST if request.method == "POST" else None, webchat=webchat)
    if not form.is_valid():
        context = {
            "webchat": webchat,
            "tab": "install",
            "form": form,
            "snippets": snippets_of(request, webchat),
            "words": words_of(webchat, webchat.first_language),
        }
        status = 422 if form.is_bound else 200
        return render(request, "webchat/install.html", context, status=status)
    if changes := form.changes:
        services.save_settings(webchat, changes=changes, by=staff_of(request))
        messages.success(
            request, _("The settings were saved. Your sites will pick them up within five minutes.")
        )
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("webchat_install", webchat.pk)
