"""Test that the default texts contain all required statements, in four languages."""

import re

import pytest

from webchat.consent_html import MAX_LABEL, DraftText, sanitise, to_lines
from webchat.default_texts import DEFAULT_NOTICES, DEFAULT_TEXTS
from webchat.slots import SLOTS, slots_in

MUST_SAY = {
    "en": ["2016/679", "6(1)(a)", "access", "correction", "erasure", "restriction", "portability",
           "complain", "Withdrawing your consent does not affect the lawfulness",
           "tell us in the conversation", "IP address", "no automated decisions", "the channel"],
    "cs": ["2016/679", "čl. 6 odst. 1 písm. a)", "přístup", "opravu", "výmaz", "omezení",
           "přenositelnost", "Úřad pro ochranu osobních údajů", "uoou.gov.cz",
           "Odvoláním souhlasu není dotčena zákonnost", "napište nám to v konverzaci", "IP adresu",
           "Nerozhodujeme o vás automatizovaně", "kanál"],
    "de": ["2016/679", "Art. 6 Abs. 1 Buchst. a", "Auskunft", "Berichtigung", "Löschung",
           "Einschränkung", "Datenübertragbarkeit", "Datenschutz-Aufsichtsbehörde",
           "berührt nicht die Rechtmäßigkeit", "schreiben Sie es uns im Gespräch", "IP-Adresse",
           "keine automatisierten Entscheidungen", "den Kanal"],
    "sk": ["2016/679", "čl. 6 ods. 1 písm. a)", "prístup", "opravu", "vymazanie", "obmedzenie",
           "prenosnosť", "Úrad na ochranu osobných údajov Slovenskej republiky",
           "nemá vplyv na zákonnosť", "napíšte nám to v konverzácii", "IP adresu",
           "Nerozhodujeme o vás automatizovane", "kanál"],
}  # fmt: skip


def test_there_is_one_for_each_language() -> None:
    assert list(DEFAULT_TEXTS) == list(MUST_SAY)


#: The evidence has more than the version, the language and the date.
ONLY = {"en": "we keep only", "cs": "uchováme jen", "de": "behalten wir nur", "sk": "uchováme len"}


@pytest.mark.parametrize("texts", [DEFAULT_TEXTS, DEFAULT_NOTICES])
def test_they_do_not_promise_less_evidence_than_is_kept(texts: dict[str, DraftText]) -> None:
    assert [language for language in ONLY if ONLY[language] in texts[language].body] == []


@pytest.mark.parametrize("language", MUST_SAY)
def test_it_is_canonical_and_of_a_readable_length(language: str) -> None:
    text = DEFAULT_TEXTS[language]

    assert sanitise(text.body) == text.body
    assert 250 <= len(" ".join(to_lines(text.body)).split()) <= 450
    assert 0 < len(text.label) <= MAX_LABEL
    assert "<" not in text.label


@pytest.mark.parametrize("language", MUST_SAY)
def test_it_says_what_the_regulation_asks(language: str) -> None:
    said = "\n".join(to_lines(DEFAULT_TEXTS[language].body))

    assert [words for words in MUST_SAY[language] if words not in said] == []


@pytest.mark.parametrize("language", MUST_SAY)
def test_its_slots_are_those_that_a_publication_fills(language: str) -> None:
    text = DEFAULT_TEXTS[language]

    assert set(slots_in(text)) == set(SLOTS)
    assert text.label.count("{controller}") == 1
    assert not re.search(r"[\[\]_…]|\bXXX?\b|TODO", text.label + text.body)
