"""The forms for messages, files and call signals, which both sides of a conversation use."""

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

from lib.limited_text import LimitedText
from sessions_app.models import Signal

#: The maximum size in bytes of a multipart body, not counting the file.
BODY_OVERHEAD = 64 * 1024


class MessageForm(forms.Form):
    """A message of one side."""

    text = LimitedText(
        label=_("Your message"),
        max_length=settings.MESSAGE_MAX_LENGTH,
        widget=forms.Textarea({"rows": 3}),
        error_messages={"required": _("Please write a message.")},
    )


class AttachmentForm(forms.Form):
    """A file that one side sends. The settings limit its size and types.

    The type is derived from the file name. The type that the browser sends is ignored.
    """

    file = forms.FileField(
        label=_("File"),
        allow_empty_file=False,
        error_messages={"required": _("Please choose a file.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].widget.attrs["accept"] = ",".join(
            f".{e}" for e in settings.ATTACHMENT_EXTENSIONS
        )

    def clean_file(self) -> UploadedFile:
        upload: UploadedFile = self.cleaned_data["file"]
        if (upload.size or 0) > settings.ATTACHMENT_MAX_BYTES:
            megabytes = settings.ATTACHMENT_MAX_BYTES / 1024 / 1024
            raise ValidationError(
                _("The file is too large. The limit is %(limit)s MB."),
                code="too_large",
                params={"limit": f"{megabytes:g}"},
            )
        if (
            PurePath(self.original_name_of(upload)).suffix.lower().lstrip(".")
            not in settings.ATTACHMENT_EXTENSIONS
        ):
            raise ValidationError(
                _("This file type is not accepted. Accepted types: %(kinds)s."),
                code="kind",
                params={"kinds": ", ".join(settings.ATTACHMENT_EXTENSIONS)},
            )
        return upload

    @staticmethod
    def original_name_of(upload: UploadedFile) -> str:
        """Return the file name without path and control characters, cut to 255 characters.

        The suffix is kept.
        """
        visible = "".join(
            c for c in PurePath(upload.name or "").name if unicodedata.category(c)[0] != "C"
        )
        suffix = PurePath(visible).suffix[:20]
        return visible[: 255 - len(suffix)].removesuffix(suffix) + suffix

    @property
    def attachment(self) -> dict[str, Any]:
        """Return the keyword arguments for ``conversation.attach_file`` from a valid form."""
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
        """Return the status of an invalid form: 413 if the file is too large, otherwise 422."""
        return 413 if self.has_error("file", "too_large") else 422


class SignalForm(forms.Form):
    """The data that static/conversation/call.js sends: a signal, or the last id it has read."""

    #: This kind is never stored. The other side's signals up to ``seen`` are then deleted.
    CONNECTED = "connected"

    kind = forms.ChoiceField(choices=[*Signal.Kind.choices, (CONNECTED, CONNECTED)])
    #: A connection description with many codecs has about 8,000 characters.
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
    """Return whether the text is a JSON object that JavaScript can parse.

    Lone surrogates are refused, because not every database can store them.
    """
    try:
        text.encode()
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python accepts as JSON but other parsers do not."""
    raise ValueError
