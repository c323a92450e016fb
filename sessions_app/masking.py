"""The permission to see personal data, and the mask that is shown without it."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

SEE_PERSONAL_DATA = "sessions_app.see_personal_data"
MASK = "•••"


def may_see_people(user: Any) -> bool:
    return bool(user.has_perm(SEE_PERSONAL_DATA))


def mask() -> SafeString:
    """Return the HTML of the mask, with an explanation why the value is hidden."""
    return format_html(
        '<span class="masked position-relative" title="{}">{}<span class="visually-hidden"> {}</span></span>',
        _("hidden: you don't have permission to see personal data"),
        MASK,
        _("hidden: you don't have permission to see personal data"),
    )
