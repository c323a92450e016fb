"""The form of a new API client."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from api.models import ApiClient, Right


class ClientForm(forms.Form):
    """Name and rights of a new client.

    Neither can be changed later, so that an erasure record keeps its meaning.
    """

    name = forms.CharField(
        label=_("Client name"),
        max_length=100,
        help_text=_(
            "The program or partner, for example “CRM nightly sync”. Don't enter a person's name."
        ),
    )
    rights = forms.MultipleChoiceField(
        label=_("Rights"),
        choices=Right.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Grant only what the program needs. Rights can't be changed later."),
        error_messages={"required": _("Select at least one right.")},
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if ApiClient.objects.filter(name=name, revoked_at=None).exists():
            raise ValidationError(_("A client with this name already exists."))
        return name

    def clean_rights(self) -> list[str]:
        rights: list[str] = self.cleaned_data["rights"]
        if Right.READ_PERSONAL_DATA in rights and Right.READ_SESSIONS not in rights:
            raise ValidationError(_("“Read personal data” also requires “Read sessions”."))
        return rights

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
