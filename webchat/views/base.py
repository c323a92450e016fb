"""The base classes of the Settings pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, TemplateResponseMixin

from lib.pages import StaffPage
from webchat import services
from webchat.models import WebChat

SEE = "webchat.see_settings"
MANAGE = "webchat.manage_settings"
PUBLISH = "webchat.publish_consent"
EDIT_GDPR = "webchat.edit_gdpr_data"


def remind_to_publish(request: HttpRequest, webchats: Iterable[WebChat]) -> None:
    """Tell the staff member which published texts a change of settings has made outdated."""
    names = [version.webchat.name for version in services.outdated_versions(webchats)]
    if names:
        message = _("Publish new consent texts, which are filled from these settings: %(names)s.")
        messages.warning(request, message % {"names": ", ".join(names)})


class SettingsPage(StaffPage, TemplateResponseMixin, ContextMixin):
    """A Settings page. Requires ``manage_settings``, unless it declares other permissions."""

    http_method_names = ["get", "head", "post"]
    any_permission: tuple[str, ...] = (MANAGE,)
    #: Whether staff members with ``see_settings`` may read the page. They cannot save anything.
    readable = False

    def has_permission(self) -> bool:
        reads = self.readable and self.request.method in {"GET", "HEAD"}
        return (reads and self.request.user.has_perm(SEE)) or super().has_permission()


class WebChatPage(SettingsPage):
    """A page about one WebChat, which may be archived."""

    tab = ""

    @cached_property
    def webchat(self) -> WebChat:
        return get_object_or_404(WebChat, pk=self.kwargs["pk"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(webchat=self.webchat, tab=self.tab, **kwargs)
