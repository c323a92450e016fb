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

from sessions_app.models import Signal

#: What a multipart body holds besides a file itself, in bytes.
BODY_OVERHEAD = 64 * 1024


class MessageForm(forms.Form):
    """What one side says."""

    text = forms.CharField(
        label=_("Your message"),
        max_length=settings.MESSAGE_MAX_LENGTH,
        widget=forms.Textarea({"rows": 3}),
        error_messages={"required": _("Please write a message.")},
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
        """Return the file's own name without path and control characters, at most 255 characters with its suffix."""
        visible = "".join(c for c in PurePath(upload.name or "").name if unicodedata.category(c)[0] != "C")
        suffix = PurePath(visible).suffix[:20]
        return visible[: 255 - len(suffix)].removesuffix(suffix) + suffix

    @property
    def attachment(self) -> dict[str, Any]:
        """Return the keyword arguments for ``conversation.attach_file`` of a valid form."""
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
    """What static/conversation/call.js sends: a signal for the other side, or the last one it has read."""

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
