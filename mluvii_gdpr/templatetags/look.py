"""Template tags for the look of the pages. They are builtins: no ``{% load %}`` is needed.

    {% icon "users" %}                icon of static/look/icons.svg, hidden from screen readers
    {% moment session.created_at %}   "3 hours ago", exact time on hover; exact=True swaps them
    {% field form.email %}            label, widget, help text, errors as a Tabler group;
                                      label="…" replaces the label
    {% visitor_field form.email %}    the same for the visitor's pages
    {% status_badge session.status session.get_status_display %}
    {% sidebar %}                     the main menu, with the entries that the user may open

Components to include (``only`` makes them fast and predictable):

    {% include "components/form_errors.html" with form=form only %} {% include
    "components/empty_state.html" with icon="messages" title=… text=… url=… action=… only %} {%
    include "components/stat.html" with icon="users" label=… value=… url=… hint=… only %} {% include
    "components/copyable.html" with value=session.pk label=… only %}
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from anonymization.models import Hold
from lib import look
from sessions_app.models import Session

register = template.Library()

register.simple_tag(look.icon)
register.simple_tag(look.moment)
register.simple_tag(look.status_badge)
register.inclusion_tag("components/field.html")(look.field)
register.inclusion_tag("components/visitor_field.html")(look.visitor_field)

# Main menu --------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """An entry of the main menu.

    It is shown to users with one of ``permissions``, and is the current one below ``prefix``.
    """

    label: str | Promise
    icon: str
    url_name: str
    prefix: str
    permissions: tuple[str, ...] = ()
    #: Returns the number of pending items. It costs one query on each page.
    waiting: Callable[[], int] | None = None


MENU = {
    "": [
        Entry(gettext_lazy("Home"), "home", "home", ""),
        Entry(
            gettext_lazy("Live"),
            "inbox",
            "sessions_live",
            "/sessions/live/",
            ("sessions_app.see_sessions",),
        ),
        Entry(
            gettext_lazy("Sessions"),
            "messages",
            "sessions",
            "/sessions/",
            ("sessions_app.see_sessions",),
        ),
        Entry(
            gettext_lazy("Find a person"),
            "user-search",
            "guest_find",
            "/guests/",
            ("sessions_app.see_personal_data",),
        ),
        Entry(
            gettext_lazy("Withdrawals"),
            "user-off",
            "withdrawals",
            "/withdrawals/",
            ("sessions_app.anonymize_session",),
            Session.objects.count_withdrawn,
        ),
        Entry(
            gettext_lazy("Legal holds"),
            "lock",
            "holds",
            "/holds/",
            ("anonymization.manage_holds",),
            Hold.objects.count_overdue,
        ),
        Entry(
            gettext_lazy("Erasures"),
            "eraser",
            "erasures",
            "/erasures/",
            ("anonymization.see_erasures",),
        ),
        Entry(
            gettext_lazy("Prove an erasure"),
            "circle-check",
            "prove",
            "/prove/",
            ("anonymization.see_erasures",),
        ),
    ],
    gettext_lazy("Settings"): [
        Entry(
            gettext_lazy("WebChat"),
            "message-circle",
            "webchats",
            "/settings/webchat/",
            ("webchat.manage_settings", "webchat.publish_consent", "webchat.see_settings"),
        ),
        Entry(
            gettext_lazy("API clients"),
            "key",
            "api_clients",
            "/settings/api/",
            ("api.manage_api_clients", "api.see_api_clients"),
        ),
        Entry(
            gettext_lazy("GDPR"),
            "shield-check",
            "gdpr",
            "/settings/gdpr/",
            ("webchat.manage_settings", "anonymization.see_erasures"),
        ),
    ],
}


@register.inclusion_tag("components/sidebar.html", takes_context=True)
def sidebar(context: Context) -> dict[str, Any]:
    """Render the main menu with the entries that the user may open."""
    request = context["request"]
    sections = [
        {"title": title, "entries": _lines(request, entries)} for title, entries in MENU.items()
    ]
    return {"sections": [section for section in sections if section["entries"]]}


def _lines(request: HttpRequest, entries: list[Entry]) -> list[dict[str, Any]]:
    return [
        line
        for entry in entries
        if _may(request, entry) and (line := _line(entry, request.path_info))
    ]


def _may(request: HttpRequest, entry: Entry) -> bool:
    return not entry.permissions or any(map(request.user.has_perm, entry.permissions))


def _line(entry: Entry, path: str) -> dict[str, Any] | None:
    try:
        url = reverse(entry.url_name)
    except NoReverseMatch:  # This installation has no route to the page.
        return None
    current = entry is _current(path) if entry.prefix else path == url
    waiting = entry.waiting() if entry.waiting else 0
    return {
        "label": entry.label,
        "icon": entry.icon,
        "url": url,
        "current": current,
        "waiting": waiting,
    }


def _current(path: str) -> Entry | None:
    """Return the entry with the longest prefix of the path."""
    fitting = [
        e for entries in MENU.values() for e in entries if e.prefix and path.startswith(e.prefix)
    ]
    return max(fitting, key=lambda entry: len(entry.prefix), default=None)
