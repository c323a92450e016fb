"""A form field for a text of several lines whose length is limited."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class LimitedText(forms.CharField):
    """A text of several lines. A text over ``max_length`` is refused and never cut.

    With the attribute ``maxlength``, browsers cut a pasted text without a word. They also count a
    line break as one character and send two. Therefore a line break counts once here, and
    static/conversation/limits.js shows the count without touching the text.
    """

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value) or ""
        return re.sub("\r\n?", "\n", text)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs = super().widget_attrs(widget)
        if limit := attrs.pop("maxlength", None):
            attrs |= {"data-limit": limit, "data-limit-text": _("{count} of {limit} characters")}
        return attrs
