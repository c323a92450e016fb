"""The script that a customer's site embeds.

It is built from static/webchat/widget.js, widget.css and the settings of a WebChat.
"""

from __future__ import annotations

import json
import re
from functools import cache

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from webchat.models import EntryForm, WebChat
from webchat.theme import theme_css

#: The texts of the script for which the WebChat has no setting.
_WORDS = {
    "chat": _("Chat with us"),
    "showroom": _("Video call"),
    "close": _("Close"),
}
#: The script of an archived WebChat. A site that calls the functions continues to work.
ARCHIVED = "window.mluviiGdpr=window.mluviiGdpr||{open(){},close(){},on(){}};\n"
#: The script of a WebChat without an entry form. The message is for the developer of the site.
NOT_OPEN = ARCHIVED + 'console.log("closed");\n'


def default_words(language: str) -> dict[str, str]:
    """Return the product's own texts in a language."""
    with translation.override(language):
        return {name: str(text) for name, text in _WORDS.items()}


def words_of(webchat: WebChat, language: str) -> dict[str, str]:
    """Return the texts of the script in a language: the two buttons, and how to close."""
    own = {
        "chat": webchat.chat_button.get(language),
        "showroom": webchat.showroom_button.get(language),
    }
    return default_words(language) | {name: text for name, text in own.items() if text}


def script_of(webchat: WebChat, *, base: str) -> str:
    """Return the script of a WebChat. ``base`` is the URL of its entry form.

    The script of an archived WebChat, or of one that is not open yet, shows nothing.
    """
    if webchat.archived_at is not None:
        return ARCHIVED
    if webchat.is_closed:
        return NOT_OPEN
    config = {
        "base": base,
        "sites": webchat.origins,
        "words": {language: words_of(webchat, language) for language in webchat.languages},
        "language": webchat.first_language,
        "position": webchat.button_position,
        "css": _compact_css(theme_css(webchat.colour, root=":host")) + _source_of_styles(),
    }
    if EntryForm.NOT_CHOSEN in webchat.forms:
        config["shut"] = ("chat", "showroom")[webchat.forms.index(EntryForm.NOT_CHOSEN)]
    literal = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
    # Before ES2019 these characters were line ends in JavaScript, but not in JSON.
    literal = literal.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
    return f"{_source_of_script()}({literal});\n"


@cache
def _source_of_script() -> str:
    lines = (line.strip() for line in _read("widget.js").splitlines())
    script = "\n".join(line for line in lines if line and not line.startswith("//"))
    return re.sub(r" ?([={}(),:?|&>]+) ?", r"\1", script)


@cache
def _source_of_styles() -> str:
    return _compact_css(_read("widget.css"))


def _compact_css(css: str) -> str:
    """Return a stylesheet without comments and without insignificant spaces."""
    css = " ".join(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL).split())
    return re.sub(r" ?([{};,]) ?", r"\1", css).replace(": ", ":").replace(";}", "}")


def _read(name: str) -> str:
    return (settings.BASE_DIR / "static" / "webchat" / name).read_text(encoding="utf-8")
