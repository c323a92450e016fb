"""The texts that a new WebChat starts with say what they must, in four languages."""

import re

import pytest

from webchat.consent_html import MAX_LABEL, sanitise, to_lines
from webchat.default_texts import DEFAULT_TEXTS

MUST_SAY = {
    "en": ["2016/679", "6(1)(a)", "operator of this website", "controller", "access", "rectification",
           "erasure",
           "restriction", "portable", "complaint", "withdraw",
           "open the link below the conversation", "write it to us in the conversation", "IP address"],
    "cs": ["2016/679", "čl. 6 odst. 1 písm. a)", "provozovatel těchto webových stránek", "Správcem",
           "ubjekt údajů",
           "přístup", "opravu", "výmaz", "omezení", "přenositelnost", "Úřad pro ochranu osobních údajů",
           "odvolat", "otevřete odkaz pod konverzací", "napište nám to v konverzaci",
           "IP adresu"],
    "de": ["2016/679", "Art. 6 Abs. 1 Buchst. a", "Betreiber dieser Website", "Verantwortlicher", "Auskunft",
           "Berichtigung", "Löschung", "Einschränkung", "übertragbaren", "zuständigen Aufsichtsbehörde",
           "widerrufen", "Öffnen Sie den Link unter dem Gespräch", "Schreiben Sie es uns im Gespräch", "IP-Adresse"],
    "sk": ["2016/679", "čl. 6 ods. 1 písm. a)", "prevádzkovateľ tejto webovej stránky", "otknutá osoba",
           "prístup",
           "opravu", "vymazanie", "obmedzenie", "prenosnosť",
           "Úrad na ochranu osobných údajov Slovenskej republiky",
           "odvolať", "otvorte odkaz pod konverzáciou", "napíšte nám to v konverzácii", "IP adresu"],
}  # fmt: skip


def test_there_is_one_for_each_language() -> None:
    assert list(DEFAULT_TEXTS) == list(MUST_SAY)


@pytest.mark.parametrize("language", MUST_SAY)
def test_it_is_canonical_and_of_a_readable_length(language: str) -> None:
    text = DEFAULT_TEXTS[language]

    assert sanitise(text.body) == text.body
    assert 250 <= len(" ".join(to_lines(text.body)).split()) <= 400
    assert 0 < len(text.label) <= MAX_LABEL
    assert "<" not in text.label


@pytest.mark.parametrize("language", MUST_SAY)
def test_it_says_what_the_regulation_asks(language: str) -> None:
    said = "\n".join(to_lines(DEFAULT_TEXTS[language].body))

    assert [words for words in MUST_SAY[language] if words not in said] == []


@pytest.mark.parametrize("language", MUST_SAY)
def test_it_has_no_blanks_to_fill_in(language: str) -> None:
    text = DEFAULT_TEXTS[language]

    assert not re.search(r"[\[\]{}_…]|\bXXX?\b|TODO", text.label + text.body)
