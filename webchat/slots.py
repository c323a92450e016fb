"""Fill the slots of a consent text, for example ``{contact}``, from the settings.

Slots are filled into the bytes that are published: the stored and hashed text has none. The words
of this module do not use gettext, because these bytes must not depend on a catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from webchat.consent_html import DraftText, sanitise, to_lines
from webchat.models import DataController, WebChat

#: Without a value, the paragraph of such a slot is removed. Other slots are then refused.
_OPTIONAL = {"dpo", "basis"}
#: The slots in the order in which the editor explains them.
SLOTS = ("controller", "contact", "dpo", "recipients", "retention", "basis")

_SLOT = re.compile(r"\{\s*([^\W\d]\w*)\s*\}(\.?)")
_BLOCK = re.compile(r"<(p|h2|h3)>(?:(?!</\1>).)*</\1>", re.DOTALL)

#: The forms of the word "day": for one, for two to four, and for other numbers.
_PERIODS = {
    "en": ("{n} day", "{n} days", "{n} days", "{period} from the end of the conversation"),
    "cs": ("{n} den", "{n} dny", "{n} dní", "{period} od konce konverzace"),
    "de": ("{n} Tag", "{n} Tage", "{n} Tage", "{period} ab dem Ende des Gesprächs"),
    "sk": ("{n} deň", "{n} dni", "{n} dní", "{period} od konca konverzácie"),
}
#: The criterion that takes the place of a period (GDPR Art. 13(2)(a)).
_NO_PERIOD = {
    "en": "until your request is settled",
    "cs": "do vyřízení vašeho dotazu",
    "de": "bis Ihre Anfrage erledigt ist",
    "sk": "do vybavenia vašej otázky",
}
_BASES = {
    "en": {
        "b": "data that a contract with you requires (Article 6(1)(b) GDPR)",
        "c": "data that the law requires us to keep (Article 6(1)(c) GDPR)",
        "f": "data needed to establish, exercise or defend legal claims, which is our legitimate"
        " interest (Article 6(1)(f) GDPR); you can object on grounds relating to your particular"
        " situation",
    },
    "cs": {
        "b": "údaje nezbytné pro smlouvu s vámi (čl. 6 odst. 1 písm. b) GDPR)",
        "c": "údaje, které nám ukládá uchovat zákon (čl. 6 odst. 1 písm. c) GDPR)",
        "f": "údaje nezbytné pro určení, výkon nebo obhajobu právních nároků, což je náš oprávněný"
        " zájem (čl. 6 odst. 1 písm. f) GDPR); z důvodů týkajících se vaší konkrétní situace můžete"
        " vznést námitku",
    },
    "de": {
        "b": "Daten, die für einen Vertrag mit Ihnen nötig sind (Art. 6 Abs. 1 Buchst. b DSGVO)",
        "c": "Daten, zu deren Aufbewahrung uns ein Gesetz verpflichtet (Art. 6 Abs. 1 Buchst. c"
        " DSGVO)",
        "f": "Daten, die zur Geltendmachung, Ausübung oder Verteidigung von Rechtsansprüchen nötig"
        " sind; dies ist unser berechtigtes Interesse (Art. 6 Abs. 1 Buchst. f DSGVO), und Sie können"
        " aus Gründen, die sich aus Ihrer besonderen Situation ergeben, widersprechen",
    },
    "sk": {
        "b": "údaje nevyhnutné na zmluvu s vami (čl. 6 ods. 1 písm. b) GDPR)",
        "c": "údaje, ktoré nám ukladá uchovať zákon (čl. 6 ods. 1 písm. c) GDPR)",
        "f": "údaje nevyhnutné na preukazovanie, uplatňovanie alebo obhajovanie právnych nárokov, čo"
        " je náš oprávnený záujem (čl. 6 ods. 1 písm. f) GDPR); z dôvodov týkajúcich sa vašej"
        " konkrétnej situácie môžete namietať",
    },
}


def values_for(webchat: WebChat, controller: DataController) -> dict[str, Any]:
    """Return the value of each slot as the settings have it now, in no language yet."""
    return {
        "controller": [controller.name, controller.address],
        "contact": controller.contact,
        "dpo": controller.officer,
        "recipients": controller.recipients,
        "retention": webchat.retention_days,
        "basis": webchat.second_basis,
    }


def slots_in(text: DraftText) -> list[str]:
    """Return the names of the slots that a reader of the text would see, known or not."""
    seen = [text.label, *to_lines(text.body)]
    return list(dict.fromkeys(match[1] for line in seen for match in _SLOT.finditer(line)))


def used_values(texts: Iterable[DraftText], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the slots that occur in the texts."""
    used = {slot for text in texts for slot in slots_in(text)}
    return {slot: value for slot, value in values.items() if slot in used}


def words_of(slot: str, value: Any, language: str) -> str:
    """Return the words that fill a slot, or an empty string if the settings have no value."""
    if slot == "controller":
        name, address = value
        return ", ".join(filter(None, (name, address))) if name else ""
    if slot == "retention":
        return _retention(value, language)
    if slot == "basis":
        return _BASES[language].get(value, "")
    return str(value)


def _retention(days: int | None, language: str) -> str:
    if days is None:
        return _NO_PERIOD[language]
    one, few, many, sentence = _PERIODS[language]
    form = one if days == 1 else few if days < 5 else many
    return sentence.format(period=form.format(n=days))


def fill(text: DraftText, values: Mapping[str, Any], *, language: str) -> DraftText:
    """Return a sanitized text with its slots filled.

    A slot without a value, and a slot that does not exist, stays as it is: ``slots_in`` finds it.
    The label names the controller without the address.
    """
    words = {slot: words_of(slot, value, language) for slot, value in values.items()}
    in_label = words | {"controller": values["controller"][0]}
    body = _BLOCK.sub(lambda block: _without_empty(block[0], words), text.body)
    escaped = {slot: escape(word, quote=True) for slot, word in words.items()}
    return DraftText(
        label=" ".join(_filled(text.label, in_label).split()),
        body=sanitise(_filled(body, escaped)),
    )


def _without_empty(block: str, words: Mapping[str, str]) -> str:
    """Return the paragraph, or nothing if it has an optional slot without a value."""
    slots = {match[1] for match in _SLOT.finditer(block)}
    return "" if any(not words.get(slot) for slot in slots & _OPTIONAL) else block


def _filled(text: str, words: Mapping[str, str]) -> str:
    def word(match: re.Match[str]) -> str:
        filling = words.get(match[1])
        # "Example s.r.o." at the end of a sentence has one full stop, not two.
        return filling.removesuffix(match[2]) + match[2] if filling else match[0]

    return _SLOT.sub(word, text)
