"""The visitor's forms: the entry form in its three kinds, and what is said and sent in a conversation."""

from __future__ import annotations

import json
import mimetypes
import unicodedata
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from sessions_app.matching import example_numbers, parse_phone
from sessions_app.models import Signal
from sessions_app.services import Entry
from webchat.models import EntryForm

#: The one value by which the consent box says yes.
CONSENT_GIVEN = "on"
#: What a multipart body holds besides a file itself, in bytes.
BODY_OVERHEAD = 64 * 1024


def focus_first_error(form: forms.Form) -> None:
    """Let the browser go to the first field with an error: a screen reader then reads its label and the error."""
    for bound in form.visible_fields():
        if bound.errors:
            bound.field.widget.attrs["autofocus"] = True
            return


class ConsentBox(forms.CheckboxInput):
    """A checkbox that is never pre-ticked, whatever was sent before (GDPR recital 32)."""

    def __init__(self) -> None:
        # Without autocomplete="off" the Back button brings a tick back, under whatever text is shown by then.
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
    """True for exactly one affirmative value; anything else, also twice the same, is no consent."""

    widget = ConsentBox
    default_error_messages = {
        "required": _("Please give your consent; without it the conversation can't start.")
    }

    def clean(self, value: list[str]) -> bool:
        if value != [CONSENT_GIVEN]:
            raise ValidationError(self.error_messages["required"], code="required")
        return True


class NoEntryForm(forms.Form):
    """Nothing is asked."""

    def __init__(self, *args: Any, region: str = "CZ", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.region = region

    @property
    def entry(self) -> Entry:
        """Return what was entered in a valid form."""
        values = self.cleaned_data
        return Entry(
            name=values.get("name", ""),
            email=values.get("email", ""),
            phone=values.get("phone", ""),
            consent=values.get("consent", False),
        )


class StandardEntryForm(NoEntryForm):
    """Name, e-mail and phone, each of them optional."""

    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        required=False,
        widget=forms.TextInput({"autocomplete": "name"}),
        error_messages={"required": _("Please enter your name.")},
    )
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        required=False,
        widget=forms.EmailInput({"autocomplete": "email", "inputmode": "email"}),
        error_messages={
            "required": _("Please enter your e-mail address."),
            "invalid": _("This is not a complete e-mail address, such as name@example.com."),
        },
    )
    phone = forms.CharField(
        label=_("Phone"),
        max_length=50,
        required=False,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": _("Please enter your phone number.")},
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name and not any(character.isalpha() for character in name):
            raise ValidationError(_("Please enter a name with letters."), code="invalid")
        return name

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        if phone and parse_phone(phone, self.region) is None:
            raise ValidationError(
                _("This is not a complete phone number. Write it like %(national)s or %(international)s."),
                code="invalid",
                params=example_numbers(self.region),
            )
        return phone


class GdprEntryForm(StandardEntryForm):
    """Name, e-mail, phone and consent, all of them mandatory."""

    consent = ConsentField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "email", "phone"):
            self.fields[name].required = True
            self.fields[name].widget.is_required = True


ENTRY_FORMS: dict[str, type[NoEntryForm]] = {
    EntryForm.NONE: NoEntryForm,
    EntryForm.STANDARD: StandardEntryForm,
    EntryForm.GDPR: GdprEntryForm,
}


class MailLinkForm(forms.Form):
    """Where a link is sent; the address is used for that and kept nowhere."""

    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "email", "inputmode": "email"}),
        error_messages={
            "required": _("Please enter your e-mail address."),
            "invalid": _("This is not a complete e-mail address, such as name@example.com."),
        },
    )


class MessageForm(forms.Form):
    """What one side says."""

    text = forms.CharField(
        label=_("Your message"),
        max_length=settings.MESSAGE_MAX_LENGTH,
        widget=forms.Textarea({"rows": 3}),
        error_messages={"required": _("Please write a message.")},
    )


class FeedbackForm(forms.Form):
    """What the visitor thinks of the conversation, after its end."""

    stars = forms.TypedChoiceField(
        label=_("How was it?"),
        choices=[
            (1, _("1 star: bad")),
            (2, _("2 stars")),
            (3, _("3 stars")),
            (4, _("4 stars")),
            (5, _("5 stars: very good")),
        ],
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Please choose how many stars.")},
    )
    text = forms.CharField(
        label=_("What was good, what was not?"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )


class AttachmentForm(forms.Form):
    """A file that one side sends: size and kinds by settings; the type is told by the name, never by the browser."""

    file = forms.FileField(
        label=_("File"),
        allow_empty_file=False,
        error_messages={"required": _("Please choose a file.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].widget.attrs["accept"] = ",".join(f".{e}" for e in settings.ATTACHMENT_EXTENSIONS)

    def clean_file(self) -> UploadedFile:
        upload: UploadedFile = self.cleaned_data["file"]
        if (upload.size or 0) > settings.ATTACHMENT_MAX_BYTES:
            megabytes = settings.ATTACHMENT_MAX_BYTES / 1024 / 1024
            raise ValidationError(
                _("The file is too large: at most %(limit)s MB."),
                code="too_large",
                params={"limit": f"{megabytes:g}"},
            )
        if (
            PurePath(self.original_name_of(upload)).suffix.lower().lstrip(".")
            not in settings.ATTACHMENT_EXTENSIONS
        ):
            raise ValidationError(
                _("Files of this kind are not accepted. Accepted: %(kinds)s."),
                code="kind",
                params={"kinds": ", ".join(settings.ATTACHMENT_EXTENSIONS)},
            )
        return upload

    @staticmethod
    def original_name_of(upload: UploadedFile) -> str:
        """Return the file's own name without path and control characters, at most 255 characters with its suffix."""
        visible = "".join(c for c in PurePath(upload.name or "").name if unicodedata.category(c)[0] != "C")
        suffix = PurePath(visible).suffix[:20]
        return visible[: 255 - len(suffix)].removesuffix(suffix) + suffix

    @property
    def attachment(self) -> dict[str, Any]:
        """Return the keyword arguments for ``services.attach_file`` of a valid form."""
        upload: UploadedFile = self.cleaned_data["file"]
        name = self.original_name_of(upload)
        return {
            "upload": upload,
            "original_name": name,
            "content_type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "size": upload.size or 0,
        }

    @property
    def status(self) -> int:
        """Return the HTTP status of an invalid form: 413 when the file is too large, else 422."""
        return 413 if self.has_error("file", "too_large") else 422


class SignalForm(forms.Form):
    """What static/look/call.js sends: a signal for the other side, or that it is connected and which it has read."""

    #: Never stored: what the other side has sent up to ``seen`` is needed no longer.
    CONNECTED = "connected"

    kind = forms.ChoiceField(choices=[*Signal.Kind.choices, (CONNECTED, CONNECTED)])
    #: A description of a connection with many codecs has some 8,000 characters.
    body = forms.CharField(max_length=20_000, required=False, strip=False)
    seen = forms.IntegerField(min_value=0, max_value=10**18 - 1, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == self.CONNECTED:
            if cleaned.get("seen") is None:
                raise ValidationError("seen is missing")
        elif "body" in cleaned and not _is_json_object(cleaned["body"]):
            raise ValidationError("no JSON object")
        return cleaned


def _is_json_object(text: str) -> bool:
    """Say whether the other side's ``JSON.parse`` takes it, and every database: no half of a surrogate pair."""
    try:
        text.encode()
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python alone takes for JSON."""
    raise ValueError
