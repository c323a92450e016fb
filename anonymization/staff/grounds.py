"""The menu with the ground of an erasure, on the pages that confirm one."""

from __future__ import annotations

from typing import Self

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from anonymization.models import CHOSEN_GROUNDS, Ground


class GroundForm(forms.Form):
    """Ask for the ground of an erasure, which its record keeps."""

    ground = forms.ChoiceField(
        label=_("Ground"),
        choices=[(ground.value, ground.label) for ground in CHOSEN_GROUNDS],
        help_text=_("The erasure record keeps the ground permanently."),
    )

    @classmethod
    def asking(cls, proposed: Ground) -> Self:
        return cls(initial={"ground": proposed.value})

    @classmethod
    def sent(cls, data: QueryDict) -> Self:
        """Return the form as it was sent. Without a ground, it is a request of the person."""
        return cls({"ground": data.get("ground", Ground.REQUEST.value)})

    @property
    def chosen(self) -> Ground:
        """Return the ground of a valid form."""
        return Ground(self.cleaned_data["ground"])
