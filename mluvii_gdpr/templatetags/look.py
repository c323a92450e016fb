"""Template tags for the look of the pages. A builtin library: no ``{% load %}`` needed.

    {% icon "users" %}                icon of static/look/icons.svg; decoration, hidden from screen readers
    {% moment session.created_at %}   "3 hours ago", the exact time on hover; exact=True: the other way round
    {% field form.email %}            label, widget, help text, errors as a Tabler group; label="…" replaces
    {% visitor_field form.email %}    the same for the visitor's pages
    {% status_badge session.status session.get_status_display %}
    {% sidebar %}                     the main menu, with what the user may open

Components to include (``only`` keeps them fast and predictable):

    {% include "components/form_errors.html" with form=form only %}
    {% include "components/empty_state.html" with icon="messages" title=… text=… url=… action=… only %}
    {% include "components/stat.html" with icon="users" label=… value=… url=… hint=… only %}
    {% include "components/copyable.html" with value=session.pk label=… only %}
"""

import datetime as dt
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django import forms, template
from django.contrib.humanize.templatetags.humanize import NaturalTimeFormatter
from django.forms import BoundField
from django.http import HttpRequest
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_app.models import Session

register = template.Library()

ICONS_FILE = Path(__file__).resolve().parents[2] / "static" / "look" / "icons.svg"

# Icons ------------------------------------------------------------------------------------------------------


@cache
def icon_names() -> frozenset[str]:
    return frozenset(re.findall(r'<symbol id="([^"]+)"', ICONS_FILE.read_text(encoding="utf-8")))


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Return one icon of the sprite; an unknown name is a mistake in the template and raises."""
    if name not in icon_names():
        raise template.TemplateSyntaxError(f"{name!r} is not an icon of static/look/icons.svg.")

    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        f"icon {css}".strip(),
        static("look/icons.svg"),
        name,
    )


# Times ------------------------------------------------------------------------------------------------------


@register.simple_tag
def moment(value: dt.datetime | dt.date | None, exact: bool = False) -> SafeString | str:
    """Return a ``<time>`` with the relative time as text and the exact one as title, or the other way round.

    A plain date stays a day ("2 days ago"); nothing becomes a dash.
    """
    if value is None:
        return "–"

    precise, relative = _precise(value), _relative(value)
    text, title = (precise, relative) if exact else (relative, precise)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), title, text)


def _precise(value: dt.datetime | dt.date) -> str:
    if not isinstance(value, dt.datetime):
        return value.isoformat()
    return timezone.localtime(value).strftime("%Y-%m-%d %H:%M %Z")


def _relative(value: dt.datetime | dt.date) -> str:
    if not isinstance(value, dt.datetime):
        return _relative_day(value)
    now = timezone.now()
    if abs(now - value) < dt.timedelta(minutes=1):
        return _("just now")
    if value > now:
        return _in(timeuntil(value, now, depth=1, time_strings=NaturalTimeFormatter.future_substrings))
    return _ago(timesince(value, now, depth=1, time_strings=NaturalTimeFormatter.past_substrings))


def _relative_day(day: dt.date) -> str:
    today = timezone.localdate()
    if day == today:
        return _("today")
    if day > today:
        return _in(timeuntil(day, today, depth=1, time_strings=NaturalTimeFormatter.future_substrings))
    return _ago(timesince(day, today, depth=1, time_strings=NaturalTimeFormatter.past_substrings))


# Django keeps the cases of these words by language: "pred 5 minútami", where a plain timesince says "minúty".
def _ago(time: str) -> str:
    return _("%(time)s ago") % {"time": time}


def _in(time: str) -> str:
    return _("in %(time)s") % {"time": time}


# Forms ------------------------------------------------------------------------------------------------------


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, label: str = "") -> dict[str, Any]:
    """Render one form field in Tabler's manner.

    Django ties the help text and the errors to the widget by ``aria-describedby``.
    """
    return _field_context(
        bound, label, check_class="form-check-input", classes=("form-control", "form-select")
    )


@register.inclusion_tag("components/visitor_field.html")
def visitor_field(bound: BoundField, label: str = "") -> dict[str, Any]:
    """Render one form field for the visitor's pages, which style the plain elements."""
    return _field_context(bound, label, check_class="", classes=("", ""))


def _field_context(
    bound: BoundField, label: str, *, check_class: str, classes: tuple[str, str]
) -> dict[str, Any]:
    kind = _kind(bound.field.widget)
    renamed, label = bool(label), label or str(bound.label)
    css = {"check": check_class, "select": classes[1]}.get(kind, classes[0])
    return {
        "field": bound,
        "label": label,
        "kind": kind,
        "widget": ""
        if kind == "group"
        else bound.as_widget(attrs=_attrs(bound, css, "" if renamed else label)),
        "options": _options(bound, check_class) if kind == "group" else [],
    }


def _kind(widget: forms.Widget) -> str:
    if widget.is_hidden:
        return "hidden"
    if isinstance(widget, forms.CheckboxInput):
        return "check"
    if isinstance(widget, forms.RadioSelect):  # CheckboxSelectMultiple too
        return "group"
    return "select" if isinstance(widget, forms.Select) else "control"


def _attrs(bound: BoundField, css: str, label: str) -> dict[str, Any]:
    """Return the widget's attributes. An empty ``label`` says that the field is called otherwise here."""
    own = bound.field.widget.attrs
    invalid = "is-invalid" if css and bound.errors else ""
    attrs: dict[str, Any] = {}
    if joined := " ".join(part for part in (own.get("class", ""), css, invalid) if part):
        attrs["class"] = joined
    if not label or own.get("placeholder") == label:
        attrs["placeholder"] = False  # it would say the same twice, or in other words
    return attrs


def _options(bound: BoundField, css: str) -> list[Any]:
    options = list(bound)
    for option in options:
        attrs = option.data["attrs"]
        attrs.pop("aria-invalid", None)  # not allowed on a radio button; the group's errors say it
        if css:
            attrs["class"] = css
    return options


# Badges -----------------------------------------------------------------------------------------------------

BADGE_COLOURS = {
    "waiting": "yellow",
    "active": "green",
    "closed": "secondary",
    "anonymized": "purple",
    "archived": "secondary",
    "given": "green",
    "withdrawn": "orange",
    "complete": "green",
    "pending": "yellow",
}


@register.simple_tag
def status_badge(status: str, label: str | Promise) -> SafeString:
    """Return a badge; the colour repeats what the label says and never stands alone."""
    colour = BADGE_COLOURS.get(status, "secondary")
    return format_html('<span class="badge bg-{}-lt">{}</span>', colour, label)


# Main menu --------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A line of the main menu: shown to whoever holds one of ``permissions``, current below ``prefix``."""

    label: str | Promise
    icon: str
    url_name: str
    prefix: str
    permissions: tuple[str, ...] = ()
    #: How many things wait behind it; one query for each page.
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
        Entry(gettext_lazy("Sessions"), "messages", "sessions", "/sessions/", ("sessions_app.see_sessions",)),
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
        Entry(gettext_lazy("Erasures"), "eraser", "erasures", "/erasures/", ("anonymization.see_erasures",)),
    ],
    gettext_lazy("Settings"): [
        Entry(
            gettext_lazy("WebChat"),
            "message-circle",
            "webchats",
            "/settings/webchat/",
            ("webchat.manage_settings", "webchat.publish_consent"),
        ),
        Entry(
            gettext_lazy("API clients"), "key", "api_clients", "/settings/api/", ("api.manage_api_clients",)
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
    """Render the main menu with the entries that the user's permissions open."""
    request = context["request"]
    sections = [{"title": title, "entries": _lines(request, entries)} for title, entries in MENU.items()]
    return {"sections": [section for section in sections if section["entries"]]}


def _lines(request: HttpRequest, entries: list[Entry]) -> list[dict[str, Any]]:
    return [line for entry in entries if _may(request, entry) and (line := _line(entry, request.path_info))]


def _may(request: HttpRequest, entry: Entry) -> bool:
    return not entry.permissions or any(map(request.user.has_perm, entry.permissions))


def _line(entry: Entry, path: str) -> dict[str, Any] | None:
    try:
        url = reverse(entry.url_name)
    except NoReverseMatch:  # a page that this installation does not route
        return None
    current = entry is _current(path) if entry.prefix else path == url
    waiting = entry.waiting() if entry.waiting else 0
    return {"label": entry.label, "icon": entry.icon, "url": url, "current": current, "waiting": waiting}


def _current(path: str) -> Entry | None:
    """Return the entry whose prefix fits the path most closely."""
    fitting = [e for entries in MENU.values() for e in entries if e.prefix and path.startswith(e.prefix)]
    return max(fitting, key=lambda entry: len(entry.prefix), default=None)
