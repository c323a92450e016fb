"""Render icons, times, form fields and badges, for templates and for code that builds HTML.

``mluvii_gdpr.templatetags.look`` registers each function as a template tag.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from pathlib import Path
from typing import Any

from django import forms, template
from django.forms import BoundField
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import npgettext_lazy

from lib.days import RoundedDay

ICONS_FILE = Path(__file__).resolve().parents[1] / "static" / "look" / "icons.svg"

# As Django's own, which keeps the cases of these words by language: "pred 5 minútami", where a plain timesince says
# "minúty". The project's catalogues come first; in German, Django's lack the case: "2 Tage", not "vor 2 Tagen".
PAST: dict[str, Any] = {
    "year": npgettext_lazy("naturaltime-past", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("naturaltime-past", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("naturaltime-past", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("naturaltime-past", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("naturaltime-past", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("naturaltime-past", "%(num)d minute", "%(num)d minutes", "num"),
}
FUTURE: dict[str, Any] = {
    "year": npgettext_lazy("naturaltime-future", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("naturaltime-future", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("naturaltime-future", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("naturaltime-future", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("naturaltime-future", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("naturaltime-future", "%(num)d minute", "%(num)d minutes", "num"),
}

# Icons ------------------------------------------------------------------------------------------------------


@cache
def icon_names() -> frozenset[str]:
    """Return the names of the icons in static/look/icons.svg."""
    return frozenset(re.findall(r'<symbol id="([^"]+)"', ICONS_FILE.read_text(encoding="utf-8")))


def icon(name: str, css: str = "") -> SafeString:
    """Return one icon of the sprite.

    Raises:
        TemplateSyntaxError: the sprite has no icon with this name.
    """
    if name not in icon_names():
        raise template.TemplateSyntaxError(f"{name!r} is not an icon of static/look/icons.svg.")

    return format_html(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        f"icon {css}".strip(),
        static("look/icons.svg"),
        name,
    )


# Links ------------------------------------------------------------------------------------------------------

#: A key that no row has and that occurs nowhere else in a URL.
_ANY_KEY = 10**18 + 7


def link_to(url_name: str, key: int) -> SafeString:
    """Return a link to the page of a row. Its text is the key.

    Resolving a URL takes longer than the rest of a table's cell. Each name is resolved once.
    """
    url = _url_of_any(url_name, get_script_prefix()).replace(str(_ANY_KEY), str(key))
    return format_html('<a href="{}">{}</a>', url, str(key))


@cache
def _url_of_any(url_name: str, script_prefix: str) -> str:
    return reverse(url_name, args=[_ANY_KEY])


# Times ------------------------------------------------------------------------------------------------------


def moment(value: dt.datetime | dt.date | None, exact: bool = False) -> SafeString | str:
    """Return a ``<time>`` with the relative time as text and the exact time as title.

    With ``exact`` they are swapped. A plain date is shown as a day ("2 days ago"), a rounded date
    as its period ("November 2026"), and None as a dash.
    """
    if value is None:
        return "–"
    if isinstance(value, RoundedDay):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), value.in_words())

    written, relative = precise(value), _relative(value)
    text, title = (written, relative) if exact else (relative, written)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), title, text)


def precise(value: dt.datetime | dt.date) -> str:
    """Return a day, or a time with its time zone, in the reader's language."""
    if not isinstance(value, dt.datetime):
        return date_format(value, "SHORT_DATE_FORMAT")
    local = timezone.localtime(value)
    return f"{date_format(local, 'SHORT_DATETIME_FORMAT')} {local:%Z}"


def _relative(value: dt.datetime | dt.date) -> str:
    if not isinstance(value, dt.datetime):
        return _relative_day(value)
    now = timezone.now()
    if abs(now - value) < dt.timedelta(minutes=1):
        return _("just now")
    if value > now:
        return _in(timeuntil(value, now, depth=1, time_strings=FUTURE))
    return _ago(timesince(value, now, depth=1, time_strings=PAST))


def _relative_day(day: dt.date) -> str:
    today = timezone.localdate()
    if day == today:
        return _("today")
    if day > today:
        return _in(timeuntil(day, today, depth=1, time_strings=FUTURE))
    return _ago(timesince(day, today, depth=1, time_strings=PAST))


def _ago(time: str) -> str:
    return _("%(time)s ago") % {"time": time}


def _in(time: str) -> str:
    return _("in %(time)s") % {"time": time}


# Forms ------------------------------------------------------------------------------------------------------


def field(bound: BoundField, label: str = "") -> dict[str, Any]:
    """Return the context of ``components/field.html``: a form field with Tabler's classes.

    Django connects the help text and the errors with the widget through ``aria-describedby``.
    """
    return _field_context(
        bound, label, check_class="form-check-input", classes=("form-control", "form-select")
    )


def visitor_field(bound: BoundField, label: str = "") -> dict[str, Any]:
    """Return the context of ``components/visitor_field.html``: a form field without classes."""
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
    if isinstance(widget, forms.RadioSelect):  # CheckboxSelectMultiple is a subclass.
        return "group"
    return "select" if isinstance(widget, forms.Select) else "control"


def _attrs(bound: BoundField, css: str, label: str) -> dict[str, Any]:
    """Return the attributes of the widget.

    An empty ``label`` means that the page shows another label than the one of the form field.
    """
    own = bound.field.widget.attrs
    invalid = "is-invalid" if css and bound.errors else ""
    attrs: dict[str, Any] = {}
    if joined := " ".join(part for part in (own.get("class", ""), css, invalid) if part):
        attrs["class"] = joined
    if not label or own.get("placeholder") == label:
        # A placeholder would repeat the label, or contradict the label that is shown.
        attrs["placeholder"] = False
    return attrs


def _options(bound: BoundField, css: str) -> list[Any]:
    options = list(bound)
    for option in options:
        attrs = option.data["attrs"]
        # ARIA does not allow aria-invalid on a radio button. The errors of the group are shown.
        attrs.pop("aria-invalid", None)
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


def status_badge(status: str, label: str | Promise) -> SafeString:
    """Return a badge. Its colour repeats the label and is never the only information."""
    colour = BADGE_COLOURS.get(status, "secondary")
    return format_html('<span class="badge bg-{}-lt">{}</span>', colour, label)
