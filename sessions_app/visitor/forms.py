"""The visitor's forms: the entry form in its three kinds, feedback, and the e-mailed link."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from lib.limited_text import LimitedText
from sessions_app.gate import TYPED, Entry
from sessions_app.matching import example_numbers, is_email, is_name, parse_phone
from webchat.models import EntryForm

#: The only value of the consent checkbox that means consent.
CONSENT_GIVEN = "on"


def focus_first_error(form: forms.Form) -> None:
    """Focus the first field with an error. A screen reader then reads its label and its error."""
    for bound in form.visible_fields():
        if bound.errors:
            bound.field.widget.attrs["autofocus"] = True
            return


class ConsentBox(forms.CheckboxInput):
    """A checkbox that is never ticked in advance, whatever was sent before (GDPR recital 32)."""

    def __init__(self) -> None:
        # Without autocomplete="off" the Back button restores the tick, although the page may now
        # show another text.
        super().__init__({"autocomplete": "off"}, check_test=lambda value: False)

    def value_from_datadict(  # type: ignore[override]  # the field judges all sent values, not a bool
        self, data: Any, files: Any, name: str
    ) -> list[str]:
        return data.getlist(name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data

    def format_value(self, value: Any) -> str:
        return CONSENT_GIVEN


class ConsentField(forms.Field):
    """True for exactly one affirmative value. Any other input, also the value twice, is refused."""

    widget = ConsentBox
    default_error_messages = {"required": _("To start, please tick the consent box.")}

    def clean(self, value: list[str]) -> bool:
        if value != [CONSENT_GIVEN]:
            raise ValidationError(self.error_messages["required"], code="required")
        return True


class NoEntryForm(forms.Form):
    """The entry form without any fields."""

    def __init__(self, *args: Any, region: str = "CZ", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.region = region

    @property
    def entry(self) -> Entry:
        """Return the entry of a valid form."""
        return Entry.of(self.cleaned_data)


def _validate_email(email: str) -> None:
    if not is_email(email):
        raise ValidationError(EmailValidator.message, code="invalid")


class AddressField(forms.EmailField):
    """An e-mail address, also with letters outside of ASCII before the @, which Django refuses."""

    default_validators = [_validate_email]


class StandardEntryForm(NoEntryForm):
    """Name, e-mail and phone, all of them optional."""

    name = forms.CharField(
        label=TYPED["name"],
        max_length=200,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
        error_messages={"required": _("Please enter your name.")},
    )
    email = AddressField(
        label=TYPED["email"],
        max_length=254,
        required=False,
        widget=forms.EmailInput({"autocomplete": "email", "inputmode": "email"}),
        error_messages={
            "required": _("Please enter your e-mail address."),
            "invalid": _("Enter a full e-mail address, for example name@example.com."),
        },
    )
    phone = forms.CharField(
        label=TYPED["phone"],
        max_length=50,
        required=False,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": _("Please enter your phone number.")},
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name and not is_name(name):
            raise ValidationError(_("Please enter a name that contains letters."), code="invalid")
        return name

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        if phone and parse_phone(phone, self.region) is None:
            raise ValidationError(
                _("Enter a full phone number, for example %(national)s or %(international)s."),
                code="invalid",
                params=example_numbers(self.region),
            )
        return phone


class GdprEntryForm(StandardEntryForm):
    """Name, e-mail, phone and consent, all of them mandatory."""

    consent = ConsentField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TYPED:
            self.fields[name].required = True
            self.fields[name].widget.is_required = True


ENTRY_FORMS: dict[str, type[NoEntryForm]] = {
    # It is never shown: the gate refuses everybody while no form is chosen.
    EntryForm.NOT_CHOSEN: NoEntryForm,
    EntryForm.NONE: NoEntryForm,
    EntryForm.STANDARD: StandardEntryForm,
    EntryForm.GDPR: GdprEntryForm,
}


class MailLinkForm(forms.Form):
    """The address for an e-mailed link. It is used once and not stored."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "email", "inputmode": "email"}),
        error_messages={
            "required": _("Please enter your e-mail address."),
            "invalid": _("Enter a full e-mail address, for example name@example.com."),
        },
    )


class FeedbackForm(forms.Form):
    """The visitor's feedback after the end of the conversation."""

    stars = forms.TypedChoiceField(
        label=_("How was your conversation?"),
        choices=[
            (1, _("1 star: bad")),
            (2, _("2 stars")),
            (3, _("3 stars")),
            (4, _("4 stars")),
            (5, _("5 stars: very good")),
        ],
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Please choose a rating.")},
    )
    text = LimitedText(
        label=_("What went well, what didn't?"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )
