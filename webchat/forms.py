"""The forms of Settings > WebChat."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from PIL import Image

from lib.limited_text import LimitedText
from webchat.consent_html import MAX_LABEL, DraftText
from webchat.default_texts import DEFAULTS
from webchat.framing import MAX_LENGTH
from webchat.models import (
    MAX_RETENTION_DAYS,
    ButtonPosition,
    DataController,
    EntryForm,
    OnWithdrawal,
    SecondBasis,
    TextKind,
    WebChat,
    validate_origins,
)
from webchat.regions import regions_by_name
from webchat.services import missing_texts, written_of
from webchat.widget import default_words
from webchat.widgets import ConsentBodyField, ConsentEditor

LOGO_MAX_BYTES = 200_000
LOGO_MAX_SIDE = 4096
#: Pillow's name of the format → suffix of the stored file, which determines the served type.
LOGO_FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}


class LogoField(forms.FileField):
    """A small PNG, JPEG or WebP picture, stored under a random name."""

    default_error_messages = {
        "too_large": _("The file is too large. The limit is 200 kB."),
        "invalid_image": _("This is not a PNG, JPEG or WebP picture."),
        "too_wide": _("The picture is too large. The limit is 4096 pixels per side."),
    }

    def to_python(self, data: Any) -> Any:
        upload: Any = super().to_python(data)
        if upload is None:
            return None
        if (upload.size or 0) > LOGO_MAX_BYTES:
            raise ValidationError(self.error_messages["too_large"], code="too_large")
        upload.name = f"{secrets.token_hex(16)}.{LOGO_FORMATS[self._format_of(upload)]}"
        return upload

    def _format_of(self, upload: UploadedFile) -> str:
        try:
            with Image.open(upload, formats=tuple(LOGO_FORMATS)) as image:
                picture_format, size = str(image.format), image.size
                image.verify()
        except Exception as error:
            # Pillow raises many types of exceptions for a broken file.
            raise ValidationError(
                self.error_messages["invalid_image"], code="invalid_image"
            ) from error
        finally:
            if not upload.closed:
                upload.seek(0)
        if max(size) > LOGO_MAX_SIDE:
            raise ValidationError(self.error_messages["too_wide"], code="too_wide")
        return picture_format


class SiteField(LimitedText):
    """The origins that may embed a WebChat, one per line.

    Their total length must fit into a header (see webchat/framing.py).
    """

    def __init__(self) -> None:
        super().__init__(
            label=_("Allowed sites"),
            # A name that is not ASCII becomes longer in a header.
            max_length=MAX_LENGTH // 2,
            required=False,
            validators=[validate_origins],
            widget=forms.Textarea({"rows": 3}),
            help_text=_(
                "Only these sites can embed the WebChat. One address per line, for example "
                "https://www.example.com."
            ),
        )

    def to_python(self, value: Any) -> str:
        # Lines that differ only in their ends are not a change.
        return "\n".join(super().to_python(value).splitlines())


class RetentionField(forms.IntegerField):
    """The number of days after which sessions are anonymized."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Anonymize sessions automatically after (days)"),
            min_value=1,
            max_value=MAX_RETENTION_DAYS,
            help_text=_(
                "Counted from the end of the conversation. Leave empty to keep sessions indefinitely."
            ),
            **kwargs,
        )


def region_choices() -> list[tuple[str, str]]:
    """Return the regions with known phone numbers, by name, with their calling code."""
    named = regions_by_name(get_language() or "en")
    return [
        (code, f"{name} (+{phonenumbers.country_code_for_region(code)})") for name, code in named
    ]


class WebChatForm(forms.ModelForm):
    """The required settings of a new WebChat: name, site, languages and phone region."""

    site = SiteField()
    languages = forms.MultipleChoiceField(
        label=_("Languages"),
        choices=settings.LANGUAGES,
        initial=[code for code, _name in settings.LANGUAGES],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one language.")},
        help_text=_("Visitors see the language of their browser when it is among these."),
    )
    phone_region = forms.ChoiceField(
        label=_("Default country for phone numbers"),
        choices=region_choices,
        initial=WebChat._meta.get_field("phone_region").default,
        help_text=_("Numbers without a country code are treated as numbers of this country."),
    )

    class Meta:
        model = WebChat
        fields: tuple[str, ...] = ("name", "site", "languages", "default_language", "phone_region")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Validation changes the instance, but the page must still show the stored values.
        kwargs["instance"] = copy.copy(kwargs.get("instance"))
        super().__init__(*args, **kwargs)

    def clean_languages(self) -> list[str]:
        chosen = self.cleaned_data["languages"]
        return [code for code, _name in settings.LANGUAGES if code in chosen]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        default = self.cleaned_data.get("default_language")
        if default and default not in self.cleaned_data.get("languages", [default]):
            self.add_error(
                "default_language", _("The default language must be one of the languages chosen.")
            )
        return cleaned

    @property
    def changes(self) -> dict[str, Any]:
        """Return the changed values of a valid form.

        Languages and default language are returned together, because one rule applies to both.
        """
        names = set(self.changed_data)
        if names & {"languages", "default_language"}:
            names |= {"languages", "default_language"}
        return {name: self.cleaned_data[name] for name in self._meta.fields or () if name in names}


class AbandonField(forms.IntegerField):
    """The number of minutes without a life sign after which a conversation is ended."""

    def __init__(self) -> None:
        super().__init__(
            label=_("End abandoned conversations after (minutes)"),
            # A page that was opened before this field existed does not send it. The stored value is
            # then kept.
            required=False,
            min_value=5,
            max_value=1440,
            help_text=_(
                "Counted from the time at which the visitor closed the page. A conversation without any "
                "message for 24 hours is ended too."
            ),
        )


class GeneralForm(WebChatForm):
    """The General page, with the look of the visitor pages in addition."""

    site = None  # type: ignore[assignment]  # is on the Install page
    logo = LogoField(
        label=_("Logo"),
        required=False,
        widget=forms.FileInput({"accept": "image/png,image/jpeg,image/webp"}),
        help_text=_("PNG, JPEG or WebP, at most 200 kB."),
    )
    remove_logo = forms.BooleanField(label=_("Remove the logo"), required=False)
    abandon_minutes = AbandonField()
    retention_days = RetentionField(required=False)
    on_withdrawal = forms.ChoiceField(
        label=_("When a person withdraws their consent"),
        choices=OnWithdrawal.choices,
        # A page that was opened before this field existed does not send it. The stored value is
        # then kept.
        required=False,
        help_text=_(
            "The conversation ends in any case, and nothing more is stored. The data protection "
            "officer decides whether something must be kept for another reason (GDPR Art. 17(3))."
            " With immediate anonymization, all personal data in the session is permanently deleted,"
            " unless the person wants all of their data deleted: then the officer decides first."
        ),
    )

    second_basis = forms.ChoiceField(
        label=_("Legal basis of what must be kept after a withdrawal"),
        choices=SecondBasis.choices,
        required=False,
        help_text=_(
            "The first basis is the consent. Consent texts name the second one in the slot {basis}."
        ),
    )

    class Meta(WebChatForm.Meta):
        fields = (
            "name", "languages", "default_language", "phone_region", "colour", "logo", "abandon_minutes",
            "retention_days", "on_withdrawal", "second_basis",
        )  # fmt: skip
        widgets = {"colour": forms.TextInput({"type": "color", "class": "form-control-color"})}
        help_texts = {"colour": _("Text on it is black or white, whichever is easier to read.")}

    @property
    def changes(self) -> dict[str, Any]:
        changes = super().changes
        if self.cleaned_data["remove_logo"] and "logo" not in changes:
            changes["logo"] = ""
        if "retention_days" not in self.data:
            # The field was not cleared. The page was opened before the field existed.
            changes.pop("retention_days", None)
        for name in ("on_withdrawal", "abandon_minutes"):
            if not self.cleaned_data[name]:
                changes.pop(name, None)
        if "second_basis" not in self.data:
            changes.pop("second_basis", None)
        return changes


class ButtonTexts(NamedTuple):
    """The fields of one language: the button text for the chat and for the showroom."""

    language: str
    name: str | Promise
    chat: BoundField
    showroom: BoundField


class InstallForm(forms.Form):
    """The Install page: the sites that may embed the WebChat, and the button on them."""

    site = SiteField()
    button_position = forms.ChoiceField(
        label=_("Position"),
        choices=ButtonPosition.choices,
        widget=forms.RadioSelect({"data-preview-position": True}),
    )

    def __init__(self, data: Any = None, *, webchat: WebChat) -> None:
        self.webchat = webchat
        super().__init__(
            data, initial={"site": webchat.site, "button_position": webchat.button_position}
        )
        for code, name in settings.LANGUAGES:
            if code in webchat.languages:
                self._add_text(
                    "chat_button", code, format_lazy(_("Chat ({language})"), language=name)
                )
                self._add_text(
                    "showroom_button", code, format_lazy(_("Showroom ({language})"), language=name)
                )

    def _add_text(self, setting: str, code: str, label: Any) -> None:
        default = default_words(code)[setting.removesuffix("_button")]
        attrs = {"lang": code, "placeholder": default, "data-preview-text": default}
        self.fields[f"{setting}_{code}"] = forms.CharField(
            label=label,
            max_length=30,
            required=False,
            initial=getattr(self.webchat, setting).get(code, ""),
            widget=forms.TextInput(attrs),
        )

    @property
    def texts(self) -> list[ButtonTexts]:
        """Return the text fields, language by language."""
        return [
            ButtonTexts(code, name, self[f"chat_button_{code}"], self[f"showroom_button_{code}"])
            for code, name in settings.LANGUAGES
            if code in self.webchat.languages
        ]

    @property
    def changes(self) -> dict[str, Any]:
        """Return the changed values of a valid form. Texts of languages not offered are kept."""
        wished = {name: self.cleaned_data[name] for name in ("site", "button_position")}
        for setting in ("chat_button", "showroom_button"):
            stored = getattr(self.webchat, setting)
            typed = {
                code: self.cleaned_data[f"{setting}_{code}"] for code in self.webchat.languages
            }
            wished[setting] = {code: text for code, text in (stored | typed).items() if text}
        return {
            name: value for name, value in wished.items() if value != getattr(self.webchat, name)
        }


class MenusForm(forms.ModelForm):
    """The two menus, saved together: the entry form of the chat and of the showroom."""

    confirm_none = forms.BooleanField(
        label=_(
            "I confirm: with “None”, visitors are connected without entering anything and without "
            "consent."
        ),
        required=False,
    )

    class Meta:
        model = WebChat
        fields = ("entry_form", "showroom_form")
        labels = {"entry_form": _("Entry form"), "showroom_form": _("Showroom entry form")}

    def __init__(self, data: Any = None, *, instance: WebChat) -> None:
        # Validation changes the instance, but the page must still show the stored values.
        super().__init__(data, instance=copy.copy(instance))
        self._stored = {
            name: getattr(instance, name) for name in (*self.Meta.fields, "none_confirmed_at")
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self._needs_confirmation and not self.cleaned_data.get("confirm_none"):
            self.add_error("confirm_none", _("To choose “None”, please confirm it."))
        self._require_notice()
        return cleaned

    def _require_notice(self) -> None:
        """Refuse to choose a form without consent while there is no privacy notice to show.

        A WebChat that has such a form since an earlier release keeps it.
        """
        chosen = [
            name
            for name in self.Meta.fields
            if self.cleaned_data.get(name) in {EntryForm.STANDARD, EntryForm.NONE}
            and self._stored[name] != self.cleaned_data[name]
        ]
        if chosen and (reason := missing_texts(self.instance, TextKind.NOTICE)):
            for name in chosen:
                self.add_error(name, reason)

    @property
    def _needs_confirmation(self) -> bool:
        """Return whether a menu becomes *None*, or is *None* and was never confirmed."""
        return any(
            self.cleaned_data.get(name) == EntryForm.NONE
            and (self._stored[name] != EntryForm.NONE or self._stored["none_confirmed_at"] is None)
            for name in self.Meta.fields
        )

    @property
    def changes(self) -> dict[str, Any]:
        """Return both menus of a valid form. They are saved together."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}

    @property
    def menus(self) -> list[BoundField]:
        return [self[name] for name in self.Meta.fields]

    @property
    def chosen(self) -> list[tuple[str | Promise, str | Promise]]:
        """Return the label of each menu and of the chosen option, for a valid form."""
        return [
            (self[name].label, EntryForm(choice).label) for name, choice in self.changes.items()
        ]

    def refuse_gdpr(self, reason: str) -> None:
        """Add the reason to each menu in which the GDPR form was chosen but is not available."""
        for name, choice in list(self.cleaned_data.items()):
            if choice == EntryForm.GDPR:
                self.add_error(name, reason)


class Section(NamedTuple):
    """The fields of one language in the consent editor.

    ``also`` is the checkbox for publishing a language that is not offered to visitors yet.
    """

    language: str
    name: str | Promise
    label: BoundField | None
    body: BoundField
    also: BoundField | None
    is_open: bool


class ConsentForm(forms.Form):
    """The editor of a text: label and text per language, and the version it started from.

    A privacy notice has no checkbox, and therefore no label.
    """

    based_on = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *,
        webchat: WebChat,
        kind: str = TextKind.CONSENT,
        initial: dict[str, Any] | None = None,
    ) -> None:
        self.webchat, self.kind = webchat, kind
        self.current = webchat.current_version(kind)
        super().__init__(data, initial=self._starting_values() | (initial or {}))
        for code, name in settings.LANGUAGES:
            self._add_language(code, name)

    def _add_language(self, code: str, name: str | Promise) -> None:
        enabled = code in self.webchat.languages
        if not enabled:
            self.fields[f"also_{code}"] = forms.BooleanField(
                label=_("Publish this language too"),
                required=False,
                help_text=_(
                    "Visitors won't see it until you add the language on the General page."
                ),
            )
        if self.kind == TextKind.CONSENT:
            self.fields[f"label_{code}"] = LimitedText(
                label=format_lazy(_("Checkbox label ({language})"), language=name),
                max_length=MAX_LABEL,
                required=enabled,
                # A sentence of law is seen whole while it is written; published it is one line.
                widget=forms.Textarea({"lang": code, "rows": 2}),
                error_messages={"required": _("Enter the label of the checkbox.")},
            )
        is_notice = self.kind == TextKind.NOTICE
        heading = _("Privacy notice ({language})") if is_notice else _("Consent text ({language})")
        required = _("Enter the privacy notice.") if is_notice else _("Enter the consent text.")
        self.fields[f"body_{code}"] = ConsentBodyField(
            label=format_lazy(heading, language=name),
            required=enabled,
            widget=ConsentEditor({"lang": code}),
            error_messages={"required": required},
        )

    def _starting_values(self) -> dict[str, Any]:
        """Return the current version's texts, and the default texts in languages that it lacks."""
        published = written_of(self.current)
        values: dict[str, Any] = {"based_on": self.next_number - 1}
        for code, text in (DEFAULTS[self.kind] | published).items():
            values |= {
                f"label_{code}": text.label,
                f"body_{code}": text.body,
                f"also_{code}": code in published,
            }
        return values

    @property
    def next_number(self) -> int:
        """Return the number that a publication would get now."""
        return self.current.number + 1 if self.current else 1

    def clean(self) -> dict[str, Any]:
        """Require label and text for a language that is published before it is offered."""
        for code in self._chosen():
            for part in (f"label_{code}", f"body_{code}"):
                wanted = part in self.fields and part not in self.errors
                if wanted and not self.cleaned_data.get(part):
                    self.add_error(part, self.fields[part].error_messages["required"])
        return self.cleaned_data

    def _chosen(self) -> Iterable[str]:
        for code, _name in settings.LANGUAGES:
            if code in self.webchat.languages or self.cleaned_data.get(f"also_{code}"):
                yield code

    @property
    def texts(self) -> dict[str, DraftText]:
        """Return the texts that a valid form asks to publish."""
        values = self.cleaned_data
        return {
            code: DraftText(values.get(f"label_{code}", ""), values[f"body_{code}"])
            for code in self._chosen()
        }

    @property
    def typed(self) -> dict[str, str]:
        """Return the submitted values exactly as typed, for a page that passes them on."""
        return {name: self.data[name] for name in self.fields if name in self.data}

    @property
    def sections(self) -> list[Section]:
        """Return all languages in the order of the settings. The default language is open."""
        first = self.webchat.first_language
        return [
            self._section(code, name, is_open=code == first) for code, name in settings.LANGUAGES
        ]

    def _section(self, code: str, name: str | Promise, *, is_open: bool) -> Section:
        also = self[f"also_{code}"] if f"also_{code}" in self.fields else None
        label = self[f"label_{code}"] if f"label_{code}" in self.fields else None
        body = self[f"body_{code}"]
        wrong = bool(body.errors or (label and label.errors))
        return Section(code, name, label, body, also, is_open or wrong)


class RetireForm(forms.Form):
    """The reason why a version is retired. Everybody who opens its permanent page reads it."""

    reason = LimitedText(
        label=_("Reason"),
        max_length=500,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Visitors read it on the permanent page, for example: the contact was wrong."),
    )


class PreviewForm(forms.Form):
    """The fields of the visitor's GDPR form, for the preview. This form is never submitted."""

    name = forms.CharField(label=_("Name"))
    email = forms.EmailField(label=_("E-mail"))
    phone = forms.CharField(label=_("Phone"), widget=forms.TextInput({"type": "tel"}))
    consent = forms.BooleanField()

    def __init__(self) -> None:
        super().__init__(auto_id="preview_%s")


class DataControllerForm(forms.ModelForm):
    """The GDPR data of the company, on Settings > GDPR."""

    class Meta:
        model = DataController
        fields = (
            "name", "address", "contact", "officer", "recipients", "storage_location", "authority",
            "agreement_contact", "agreement_with", "agreement_signed_on",
        )  # fmt: skip
        widgets = {
            "recipients": forms.Textarea({"rows": 3}),
            "agreement_signed_on": forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        }

        field_classes = {"recipients": LimitedText}

    def __init__(self, data: Any = None, *, instance: DataController) -> None:
        super().__init__(data, instance=copy.copy(instance))

    def clean(self) -> dict[str, Any] | None:
        """Put each text on one line, and refuse the braces that mark a slot."""
        cleaned = super().clean()
        for name, value in list(self.cleaned_data.items()):
            if not isinstance(value, str):
                continue
            self.cleaned_data[name] = " ".join(value.split())
            if "{" in value or "}" in value:
                self.add_error(name, _("Please don't use the characters { and }."))
        return cleaned

    @property
    def changes(self) -> dict[str, Any]:
        """Return the changed values of a valid form."""
        return {name: self.cleaned_data[name] for name in self.changed_data}
