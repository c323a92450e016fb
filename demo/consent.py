"""Three versions of consent texts, each with an edit that a lawyer might request."""
# ruff: noqa: E501  texts of law are long

from __future__ import annotations

from collections.abc import Sequence

from webchat.consent_html import DraftText
from webchat.default_texts import DEFAULT_TEXTS

_KEPT_FOR = {
    "en": "<h3>Retention period</h3><p>{company} keeps the data for {months} months after your last conversation.</p>",
    "cs": "<h3>Doba uchování</h3><p>Společnost {company} uchovává údaje {months} měsíců od Vaší poslední konverzace.</p>",
    "de": "<h3>Speicherdauer</h3><p>{company} speichert die Daten {months} Monate nach Ihrem letzten Gespräch.</p>",
    "sk": "<h3>Doba uchovávania</h3><p>Spoločnosť {company} uchováva údaje {months} mesiacov od Vašej poslednej konverzácie.</p>",
}
_OFFICER = {
    "en": "<p>You reach our data protection officer at {officer}. We answer within one month.</p>",
    "cs": "<p>Našeho pověřence pro ochranu osobních údajů zastihnete na adrese {officer}. Odpovídáme do jednoho měsíce.</p>",
    "de": "<p>Unsere Datenschutzbeauftragte erreichen Sie unter {officer}. Wir antworten innerhalb eines Monats.</p>",
    "sk": "<p>Našu zodpovednú osobu zastihnete na adrese {officer}. Odpovedáme do jedného mesiaca.</p>",
}
_LABELS = {
    "en": "I agree that {company} processes my personal data in order to answer my request.",
    "cs": "Souhlasím s tím, aby společnost {company} zpracovávala mé osobní údaje za účelem vyřízení mého dotazu.",
    "de": "Ich willige ein, dass {company} meine personenbezogenen Daten verarbeitet, um meine Anfrage zu beantworten.",
    "sk": "Súhlasím s tým, aby spoločnosť {company} spracúvala moje osobné údaje na účel vybavenia mojej otázky.",
}


def versions(*, company: str, officer: str, languages: Sequence[str]) -> list[dict[str, DraftText]]:
    """Return three versions, each as language → text.

    The first is the default text. The second adds a period of 12 months and names the company in
    the checkbox label. The third has 6 months and adds the address of the data protection officer.
    """
    return [
        {language: DEFAULT_TEXTS[language] for language in languages},
        {language: _named(language, company, 12) for language in languages},
        {language: _named(language, company, 6, officer=officer) for language in languages},
    ]


def _named(language: str, company: str, months: int, *, officer: str = "") -> DraftText:
    body = DEFAULT_TEXTS[language].body + _KEPT_FOR[language].format(company=company, months=months)
    if officer:
        link = f'<a href="mailto:{officer}">{officer}</a>'
        body += _OFFICER[language].format(officer=link)
    return DraftText(label=_LABELS[language].format(company=company), body=body)
