"""The forms of the pages about legal holds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from anonymization.models import Hold, latest_review


def _day_field(**options: Any) -> forms.DateInput:
    return forms.DateInput({"type": "date", **options}, format="%Y-%m-%d")


class ReviewForm(forms.ModelForm):
    """The day of the next review of a hold."""

    class Meta:
        model = Hold
        fields = ("review_on",)
        labels = {"review_on": _("Review on")}
        help_texts = {"review_on": _("At most 12 months ahead.")}
        widgets = {"review_on": _day_field()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["review_on"].widget.attrs["max"] = latest_review(timezone.localdate())


class HoldForm(ReviewForm):
    """A new hold."""

    class Meta(ReviewForm.Meta):
        fields = ("ground", "case_number", "review_on")  # type: ignore[assignment]
        labels = {
            "ground": _("Legal ground"),
            "case_number": _("Case number"),
            **ReviewForm.Meta.labels,
        }
        help_texts = {
            "case_number": _(
                "The number under which the case is kept, for example 12 C 34/2026. "
                "Don't enter words about a person."
            ),
            **ReviewForm.Meta.help_texts,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["case_number"].widget.attrs["autocomplete"] = "off"
