"""The texts that a new WebChat starts with, in all four languages: consent text and privacy notice.

They are drafts: an administrator may change them before publishing. They have slots such as
``{contact}``, which a publication fills from the settings (see ``webchat/slots.py``).
"""

from pathlib import Path

from webchat.consent_html import DraftText, sanitise
from webchat.models import TextKind

_LABELS = {
    "en": "I agree that {controller} may process my personal data to answer my request and to"
    " contact me about it.",
    "cs": "Souhlasím se zpracováním svých osobních údajů za účelem vyřízení mého dotazu a"
    " kontaktování v jeho věci. Správce: {controller}.",
    "de": "Ich willige ein, dass {controller} meine personenbezogenen Daten verarbeitet, um meine"
    " Anfrage zu beantworten und mich dazu zu kontaktieren.",
    "sk": "Súhlasím so spracúvaním svojich osobných údajov na účel vybavenia mojej otázky a"
    " kontaktovania v tejto veci. Prevádzkovateľ: {controller}.",
}


def _body(name: str) -> str:
    return sanitise(Path(__file__).with_name(f"{name}.html").read_text(encoding="utf-8"))


DEFAULT_TEXTS = {language: DraftText(label, _body(language)) for language, label in _LABELS.items()}
#: Privacy notices for the forms that do not ask for consent. A notice has no label.
DEFAULT_NOTICES = {language: DraftText("", _body(f"notice.{language}")) for language in _LABELS}
DEFAULTS: dict[str, dict[str, DraftText]] = {
    TextKind.CONSENT: DEFAULT_TEXTS,
    TextKind.NOTICE: DEFAULT_NOTICES,
}
