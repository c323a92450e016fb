"""Test that a line break counts once, and that a text over its limit is refused, never cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django import forms

from sessions_app.forms import MessageForm
from sessions_app.staff.forms import NoteForm
from sessions_app.visitor.forms import FeedbackForm
from webchat.forms import DataControllerForm, RetireForm, SiteField
from webchat.models import DataController

FORMS: dict[str, tuple[Callable[[dict[str, Any]], forms.BaseForm], str, int]] = {
    "message": (MessageForm, "text", 4000),
    "note": (NoteForm, "note", 10_000),
    "feedback": (lambda data: FeedbackForm({"stars": "5"} | data), "text", 2000),
    "reason": (RetireForm, "reason", 500),
    "recipients": (
        lambda data: DataControllerForm({"name": "Shop"} | data, instance=DataController()),
        "recipients",
        1000,
    ),
}


def text_of(length: int, line_break: str) -> str:
    """Return a text of a length in which each line break counts once."""
    return "".join(line_break if place % 10 == 5 else "ž" for place in range(length))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_line_break_counts_once(name: str, line_break: str) -> None:
    form_of, field, limit = FORMS[name]
    fits = form_of({field: text_of(limit, line_break)})
    assert field not in fits.errors
    too_long = form_of({field: text_of(limit + 1, line_break)})
    assert f"{limit} characters (it has {limit + 1})" in str(too_long.errors[field])


@pytest.mark.parametrize("name", FORMS)
def test_a_browser_does_not_cut_the_text(name: str) -> None:
    form_of, field, limit = FORMS[name]
    shown = str(form_of({})[field])
    assert "maxlength" not in shown
    assert f'data-limit="{limit}"' in shown


def test_a_message_is_stored_with_the_line_breaks_of_the_browser() -> None:
    form = MessageForm({"text": "one\r\ntwo\rthree\n"})
    assert form.is_valid()
    assert form.cleaned_data["text"] == "one\ntwo\nthree"


def test_a_list_of_sites_is_not_cut() -> None:
    assert "maxlength" not in SiteField().widget.attrs
