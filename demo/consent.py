"""Three versions of consent texts, each with an edit that a lawyer might request."""

from __future__ import annotations

from collections.abc import Sequence

from webchat.consent_html import DraftText
from webchat.default_texts import DEFAULT_TEXTS

#: The GDPR data of the demo's company.
COMPANY = {
    "name": "Shop Group s.r.o.",
    "address": "Dlouhá 1, 110 00 Praha",
    "contact": "privacy@example.cz",
    "officer": "Eva Malá, dpo@example.cz",
    "recipients": "Example Hosting a.s., Praha",
    "storage_location": "Praha (EU)",
    "authority": "Úřad pro ochranu osobních údajů, https://uoou.gov.cz",
}

_ANSWERED = {
    "en": "<p>We answer requests about your data within one month.</p>",
    "cs": "<p>Na žádosti týkající se vašich údajů odpovídáme do jednoho měsíce.</p>",
    "de": "<p>Anfragen zu Ihren Daten beantworten wir innerhalb eines Monats.</p>",
    "sk": "<p>Na žiadosti týkajúce sa vašich údajov odpovedáme do jedného mesiaca.</p>",
}
_SHOP = {
    "en": "<p>For requests about {shop} only, write to {officer}.</p>",
    "cs": "<p>V záležitostech, které se týkají jen {shop}, pište na {officer}.</p>",
    "de": "<p>In Angelegenheiten, die nur {shop} betreffen, schreiben Sie an {officer}.</p>",
    "sk": "<p>Vo veciach, ktoré sa týkajú len {shop}, píšte na {officer}.</p>",
}


def versions(*, shop: str, officer: str, languages: Sequence[str]) -> list[dict[str, DraftText]]:
    """Return three versions, each as language → text with slots.

    The first is the default text. The second adds within which time requests are answered. The
    third adds the address for the requests of one shop.
    """
    return [
        {language: DEFAULT_TEXTS[language] for language in languages},
        {language: _edited(language) for language in languages},
        {language: _edited(language, shop=shop, officer=officer) for language in languages},
    ]


def _edited(language: str, *, shop: str = "", officer: str = "") -> DraftText:
    text = DEFAULT_TEXTS[language]
    body = text.body + _ANSWERED[language]
    if officer:
        link = f'<a href="mailto:{officer}">{officer}</a>'
        body += _SHOP[language].format(shop=shop, officer=link)
    return DraftText(label=text.label, body=body)
