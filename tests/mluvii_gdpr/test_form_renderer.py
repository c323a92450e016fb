"""Test that the form renderer produces the same HTML as Django's templates."""

from __future__ import annotations

from datetime import date

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates, get_default_renderer
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from lib.form_renderer import FormRenderer

BAD = "<b a='1\">&"
CHOICES = [
    ("", "None"),
    (1234567, gettext_lazy("Yes")),
    (BAD, BAD),
    ("safe", mark_safe("<i>&amp;</i>")),
    (BAD, [("x", 1234567.5), ("y", BAD)]),
]
ATTRIBUTES = {
    **{"class": BAD, "placeholder": gettext_lazy("Yes"), "maxlength": 12345, "data-none": None},
    **{"required": True, "disabled": False, BAD: "1"},
}
WIDGETS = [
    *(forms.TextInput, forms.NumberInput, forms.EmailInput, forms.URLInput, forms.HiddenInput),
    *(forms.CheckboxInput, forms.DateInput, forms.Textarea),
]


def test_it_is_the_renderer_of_all_forms() -> None:
    assert type(get_default_renderer()) is FormRenderer


@pytest.mark.parametrize("value", [None, "", BAD, mark_safe("&amp;"), 1234.5, date(2026, 1, 2)])
@pytest.mark.parametrize("widget", WIDGETS)
def test_an_input_is_the_same(widget: type[forms.Widget], value: object) -> None:
    assert_same(widget(ATTRIBUTES), value)


@pytest.mark.parametrize("widget", [forms.Select, forms.SelectMultiple, forms.RadioSelect])
@pytest.mark.parametrize("value", [None, "", BAD, "1234567", "y"])
def test_a_choice_is_the_same(widget: type[forms.Select], value: str | None) -> None:
    for language in ("en", "cs"):
        with override(language):
            assert_same(widget(ATTRIBUTES, choices=CHOICES), value)


class Loud(forms.Select):
    """A select box with a custom template for its options."""

    option_template_name = "django/forms/widgets/checkbox_option.html"


def test_options_with_another_template_are_the_same() -> None:
    assert_same(Loud(choices=[("a", "A")]), "a")


@pytest.mark.parametrize("label", [False, True])
def test_a_single_option_is_the_same(label: bool) -> None:
    class Form(forms.Form):
        kinds = forms.MultipleChoiceField(choices=CHOICES, widget=forms.CheckboxSelectMultiple)

    ours, django = (
        [option.tag(wrap_label=label) for option in Form(renderer=renderer)["kinds"]]
        for renderer in (FormRenderer(), DjangoTemplates())
    )
    assert ours == django


@pytest.mark.parametrize("widget", [forms.Select(choices=CHOICES), *(w() for w in WIDGETS[:-1])])
def test_it_needs_no_template(monkeypatch: pytest.MonkeyPatch, widget: forms.Widget) -> None:
    monkeypatch.setattr(DjangoTemplates, "get_template", lambda *_: pytest.fail("a template"))
    assert widget.render("name", "", renderer=FormRenderer()).startswith("<")


def assert_same(widget: forms.Widget, value: object) -> None:
    """Compare the HTML without the empty lines between options."""
    ours = widget.render("name", value, renderer=FormRenderer())
    assert ours.split() == widget.render("name", value, renderer=DjangoTemplates()).split()
