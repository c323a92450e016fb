"""The base classes of the Settings pages."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.views.generic.base import ContextMixin, TemplateResponseMixin

from lib.pages import StaffPage
from webchat.models import WebChat

SEE = "webchat.see_settings"
MANAGE = "webchat.manage_settings"
PUBLISH = "webchat.publish_consent"


class SettingsPage(StaffPage, TemplateResponseMixin, ContextMixin):
    """A Settings page. Requires ``manage_settings``, unless it declares other permissions."""

    http_method_names = ["get", "head", "post"]
    any_permission: tuple[str, ...] = (MANAGE,)
    #: Whether staff members with ``see_settings`` may read the page. They cannot save anything.
    readable = False

    @property
    def read_permission(self) -> str:  # type: ignore[override]  # depends on ``readable``
        return SEE if self.readable else ""


class WebChatPage(SettingsPage):
    """A page about one WebChat, which may be archived."""

    tab = ""

    @cached_property
    def webchat(self) -> WebChat:
        return get_object_or_404(WebChat, pk=self.kwargs["pk"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(webchat=self.webchat, tab=self.tab, **kwargs)
