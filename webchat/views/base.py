"""The permissions of the Settings pages, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from lib.pages import staff_page
from webchat import services
from webchat.models import WebChat

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])

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


def may_read(request: HttpRequest) -> bool:
    """Return whether the request only reads, by a staff member who may see all settings."""
    return request.method in {"GET", "HEAD"} and request.user.has_perm(SEE)


def settings_page(*any_of: str) -> Callable[[_View], _View]:
    """Restrict a view function with ``staff_page`` to staff with one of the permissions.

    Staff members with ``see_settings`` may read the page. They cannot save anything.
    """

    def guard(view: _View) -> _View:
        saving, reading = staff_page(any_of=any_of)(view), staff_page(SEE)(view)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return (reading if may_read(request) else saving)(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]  # The signature is that of the view.

    return guard
