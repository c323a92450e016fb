"""The editor of consent texts: a plain textarea without JavaScript, a rich-text editor with it.

Use one field per language in a form. The label element (or ``aria-label``, ``aria-labelledby`` in
``attrs``) names the editor too. ``lang`` tells the editor and the spelling checker the language::

    body_cs = ConsentBodyField(label=_("Consent text in Czech"), widget=ConsentEditor(attrs={"lang": "cs"}))

The import map among the media is an inline script. Therefore the media need the nonce of the
content security policy. The view passes them once for all editors of the page, and the template
prints them unchanged::

    context["editor_media"] = editor_media(nonce=self.request.csp_nonce)

    {{ editor_media.importmap }}   in the block "importmap", before the first module script of the page
    {{ editor_media.css }}         in the block "head"
    {{ editor_media.js }}          in the block "scripts"

Editors may be in hidden tabs. They use no inline style.
"""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_prose_editor.widgets import importmap
from js_asset import Media, Script

from webchat.consent_html import MAX_BODY, readable, sanitise

_MEDIA = Media(
    importmap=importmap,
    css={
        "all": [
            "django_prose_editor/material-icons.css",
            "django_prose_editor/editor.css",
            "webchat/consent-editor.css",
        ]
    },
    js=[Script("webchat/consent-editor.js", type="module")],
)

# The English words of the editor's buttons and dialogs, with their translations.
_WORDS: dict[str, str | Promise] = {
    "heading 2": _("Heading"),
    "heading 3": _("Smaller heading"),
    "paragraph": _("Paragraph"),
    "unordered list": _("Bulleted list"),
    "ordered list": _("Numbered list"),
    "blockquote": _("Quotation"),
    "horizontal rule": _("Dividing line"),
    "bold": _("Bold"),
    "italic": _("Italic"),
    "underline": _("Underlined"),
    "insert link": _("Link"),
    "remove link": _("Remove the link"),
    "undo": _("Undo"),
    "redo": _("Redo"),
    "Formatting": _("Formatting"),
    "Link": _("Link"),
    "Address (https://…, mailto:… or tel:…)": _("Address (https://…, mailto:… or tel:…)"),
    "Update": _("Update"),
    "Cancel": _("Cancel"),
}


def editor_media(*, nonce: Any) -> Media:
    """Return the media of a page with consent editors; each tag has the nonce.

    The nonce may be that of django-csp or text.
    """
    return _MEDIA.with_nonce(nonce)


class ConsentEditor(forms.Textarea):
    """A textarea that becomes a rich-text editor. It shows a sanitized body, one block per line."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 16, "class": "form-control", **(attrs or {})})

    @property
    def media(self) -> Media:
        return _MEDIA

    def format_value(self, value: Any) -> str | None:
        """Break a stored body into lines. Return other input as it was typed."""
        value = super().format_value(value)
        try:
            return readable(value) if value and sanitise(value) == value else value
        except ValueError:
            return value

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        words = {english: str(word) for english, word in _WORDS.items()}
        context["widget"]["attrs"]["data-consent-editor"] = json.dumps(words, ensure_ascii=False)
        return context

    def use_required_attribute(self, initial: Any) -> bool:
        """Return False: the editor hides the textarea, and a browser cannot show its hint there."""
        return False


class ConsentBodyField(forms.CharField):
    """The body of a consent text, cleaned to canonical HTML of at most ``MAX_BODY`` characters."""

    widget = ConsentEditor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_BODY, "strip": False, **kwargs})

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        # A maxlength would also count the line ends, which only the textarea contains.
        return {}

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if len(text) > 2 * MAX_BODY:
            # Such a text cannot become short enough, so it is not parsed.
            return text
        try:
            return sanitise(text)
        except ValueError:
            raise ValidationError(
                _("The text contains a character that cannot be stored.")
            ) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare canonical forms, so that line ends and equivalent spellings are not a change."""
        try:
            return sanitise(initial or "") != sanitise(data or "")
        except ValueError:
            return True
