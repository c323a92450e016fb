"""Render Django's plain form widgets by code instead of by templates, with the same HTML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import conditional_escape
from django.utils.safestring import mark_safe

_Widget = dict[str, Any]


class FormRenderer(DjangoTemplates):
    """Django's default form renderer, with a shortcut for input fields and select boxes.

    Django includes two templates for each option of a select box and for each checkbox. They took a
    sixth of the time of a page with filters. Other widgets are rendered by their templates.
    """

    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> str:
        html_of = _SHORTCUTS.get(template_name)
        if html_of is None or not _is_plain(context["widget"]):
            return super().render(template_name, context, request)
        return mark_safe(html_of(context["widget"]))  # noqa: S308  the parts are escaped


def _is_plain(widget: _Widget) -> bool:
    """Tell whether no label is around the widget, and no option has a template of another kind."""
    options = (option for _name, group, _index in widget.get("optgroups", ()) for option in group)
    return not widget.get("wrap_label") and all(
        option["template_name"] == _OPTION for option in options
    )


def _input(widget: _Widget) -> str:
    value = widget["value"]
    shown = "" if value is None else f' value="{_escaped(value)}"'
    kind, name = conditional_escape(widget["type"]), conditional_escape(widget["name"])
    return f'<input type="{kind}" name="{name}"{shown}{_attributes(widget)}>'


def _select(widget: _Widget) -> str:
    groups = "".join(_group(name, options) for name, options, _index in widget["optgroups"])
    name = conditional_escape(widget["name"])
    return f'<select name="{name}"{_attributes(widget)}>{groups}\n</select>'


def _group(name: str | None, options: list[_Widget]) -> str:
    html = "".join(f"\n  {_option(option)}" for option in options)
    return f'\n  <optgroup label="{_label(name)}">{html}\n  </optgroup>' if name else html


def _option(option: _Widget) -> str:
    value, label = _escaped(option["value"]), _label(option["label"])
    return f'<option value="{value}"{_attributes(option)}>{label}</option>'


def _attributes(widget: _Widget) -> str:
    return "".join(
        f" {conditional_escape(name)}" + ("" if value is True else f'="{_escaped(value)}"')
        for name, value in widget["attrs"].items()
        if value is not False
    )


def _escaped(value: object) -> str:
    """Return the value as the filter ``stringformat:'s'`` prints it: numbers are not localized."""
    return conditional_escape(value if isinstance(value, str) else str(value))


def _label(label: Any) -> str:
    """Return the label as a template variable prints it."""
    return conditional_escape(localize(label))


_FOLDER = "django/forms/widgets"
_OPTION = f"{_FOLDER}/select_option.html"
#: The templates that consist of an ``<input>`` alone, or of a ``<select>`` with plain options.
_SHORTCUTS: dict[str, Callable[[_Widget], str]] = {
    **{
        f"{_FOLDER}/{name}.html": _input
        for name in (
            *("input", "text", "email", "password", "number", "url", "hidden", "date"),
            *("checkbox", "checkbox_option", "radio_option"),
        )
    },
    f"{_FOLDER}/select.html": _select,
}
