"""The consent texts that a new WebChat starts with, in all four languages.

They are drafts: an administrator may replace them before publishing. They name the controller as "the
operator of this website", because they are shown on that site.
"""

from pathlib import Path

from webchat.consent_html import DraftText, sanitise

_LABELS = {
    "en": "I agree that the operator of this website processes my personal data"
    " in order to answer my request.",
    "cs": "Souhlasím se zpracováním svých osobních údajů provozovatelem těchto webových stránek"
    " za účelem vyřízení mého dotazu.",
    "de": "Ich willige ein, dass der Betreiber dieser Website meine personenbezogenen Daten verarbeitet,"
    " um meine Anfrage zu beantworten.",
    "sk": "Súhlasím so spracúvaním svojich osobných údajov prevádzkovateľom tejto webovej stránky"
    " na účel vybavenia mojej otázky.",
}


def _body(language: str) -> str:
    return sanitise(Path(__file__).with_name(f"{language}.html").read_text(encoding="utf-8"))


DEFAULT_TEXTS = {language: DraftText(label, _body(language)) for language, label in _LABELS.items()}
