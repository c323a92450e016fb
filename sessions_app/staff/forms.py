"""The forms of the staff pages about sessions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anonymization.ledger import proof, verification
from anonymization.ledger.chain import Head
from lib.limited_text import LimitedText
from sessions_app.staff.columns import COLUMNS
from webchat.forms import RetentionField


class ColumnsForm(forms.Form):
    """The columns that the Sessions table shows."""

    # "required" would be announced for each checkbox, although one is enough.
    columns = forms.MultipleChoiceField(
        label=_("Columns"),
        required=False,
        choices=[(name, column.label) for name, column in COLUMNS.items()],
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_columns(self) -> list[str]:
        columns: list[str] = self.cleaned_data["columns"]
        if not columns:
            raise ValidationError(_("Select at least one column."))
        return columns


class NoteForm(forms.Form):
    """The operator's note and result of a conversation."""

    note = LimitedText(
        label=_("Note"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea({"rows": 4}),
        strip=False,
    )
    result = forms.CharField(label=_("Result"), required=False, max_length=200)


class FindForm(forms.Form):
    """A search by name, e-mail and phone in any combination.

    It is never sent by GET, because a URL must not contain personal data.
    """

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=200,
        help_text=_("Full name in any order, or a surname or its beginning."),
    )
    email = forms.CharField(
        label=_("E-mail"),
        required=False,
        max_length=254,
        widget=forms.TextInput({"inputmode": "email"}),
        help_text=_("Full address, also as copied from a mail."),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=50,
        widget=forms.TextInput({"inputmode": "tel"}),
        help_text=_("Full number in any format, with or without the country code."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not any(values.values()):
            raise ValidationError(_("Enter a name, an e-mail address or a phone number."))
        return values


class RetentionForm(forms.Form):
    """The confirmation of a retention period. ``shown`` is the number that the preview showed."""

    days = RetentionField(widget=forms.HiddenInput)
    shown = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)


class ProveForm(forms.Form):
    """What is presented as a proof of an erasure: as text or as a file.

    ``read`` of the cleaned data is a ``Presented``, and ``head`` is a ``Head`` or None.
    """

    presented = forms.CharField(
        label=_("Receipt, certificate, number or hash"),
        required=False,
        help_text=_(
            "The text of a receipt, the code or JSON of a certificate, a record number, a hash, or "
            "a random identifier."
        ),
        widget=forms.Textarea({"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=_("or a file"),
        required=False,
        allow_empty_file=True,
        help_text=_("A receipt or a certificate as JSON."),
    )
    head = forms.CharField(
        label=_("Saved latest ledger hash (optional)"),
        required=False,
        help_text=_(
            "SEQUENCE:HASH, as it was noted earlier. The answer says whether it is in the ledger."
        ),
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_head(self) -> Head | None:
        text: str = self.cleaned_data["head"]
        if not text:
            return None
        try:
            head = proof.read_head(text)
        except proof.Unusable as unusable:
            raise ValidationError(_in_language(unusable.sentence)) from None
        try:
            verification.read_head(text)
        except ValueError:
            raise ValidationError(
                _(
                    "This hash was not signed with the present key of this installation. "
                    "If the key was changed since, enter SEQUENCE:HASH without the signature."
                )
            ) from None
        return head

    def clean(self) -> dict[str, Any]:
        text, file = self.cleaned_data.get("presented", ""), self.cleaned_data.get("file")
        if "presented" in self.errors:
            return self.cleaned_data
        if text and file:
            raise ValidationError(_("Enter a text or choose a file, not both."))
        # Text from a browser has no lone surrogates, but a request of a program might.
        data = file.read(proof.LARGEST + 1) if file else text.encode("utf-8", errors="replace")
        try:
            self.cleaned_data["read"] = proof.read(data)
        except proof.Unusable as unusable:
            raise ValidationError(_in_language(unusable.sentence)) from None
        return self.cleaned_data


def _in_language(sentence: proof.Sentence) -> str:
    """Return a sentence of the verifier in the reader's language."""
    return gettext(sentence.text) % sentence.values
