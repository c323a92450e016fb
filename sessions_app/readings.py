"""What a searcher may have meant by a pasted text: the possible addresses, numbers and names.

The match keys decide which visits are one guest, so they are strict. A search is shown to a person
who chooses, so it may try several readings of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from sessions_app.matching import APOSTROPHES, email_key, is_email, name_key, phone_key

#: Characters around an address in a mail, a table or a sentence.
_AROUND = "<>()[]{}\"'“”„‚‘’«»‹›;,.:|\\/*`"
_MAILTO = re.compile(r"mailto:([^?\s>]*)(?:\?[^\s>]*)?", re.IGNORECASE)
_IN_ANGLES = re.compile(r"<([^<>]*@[^<>]*)>")
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_BETWEEN_NUMBERS = re.compile(r"[,;|/\n]|\s(?:a|und|and|or|nebo|oder|alebo)\s", re.IGNORECASE)

_TITLES = re.compile(
    r"(?<!\S)(?:ing|mgr|mga|bc|bca|dis|mudr|mddr|mvdr|judr|icdr|phdr|rndr|paeddr|pharmdr|thdr|thlic|rsdr"
    r"|artd|ph ?d|th ?d|csc|drsc|dsc|prof|doc|dr|dipl|mag|mba|msc|bsc|m ?sc|b ?sc|ll ?m|ll ?b|h ?c|arch|akad"
    r"|mr|mrs|ms|miss|sir|herr|frau|pan|pani|pana|slecna)(?!\S)"
)  # fmt: skip
_HYPHENS = re.compile(r"\s*[-\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*")
_APOSTROPHES = re.compile(f"[{APOSTROPHES}]")
#: The length of a word in the index.
MAX_WORD = 60


def read_addresses(text: str) -> list[set[str]]:
    """Return the match keys of each address in the text. One address can have several keys.

    An address that contains blanks is also read without them.
    """
    visible = _INVISIBLE.sub("", text).replace("＠", "@").strip()
    if is_email(visible):
        return [{email_key(visible)}]
    linked = _MAILTO.sub(lambda found: f" {unquote(found[1])} ", visible)
    parts = _IN_ANGLES.findall(linked) or [linked]
    tight = [re.sub(r"\s*@\s*", "@", part) for part in parts]
    words = [word.strip(_AROUND) for part in tight for word in re.split(r"[\s;,<>|]+", part)]
    addresses = {email_key(word): word for word in words if "@" in word.strip("@")}
    if len(addresses) > 1 and all(map(is_email, addresses.values())):
        return [{key} for key in addresses]
    whole = ["".join(part.split()).strip(_AROUND) for part in tight]
    # As typed too: an address that was accepted earlier may look like none today.
    keys = {*addresses, *map(email_key, [*whole, visible, text])} - {""}
    return [{key for key in keys if not key.startswith("@") and not key.endswith("@")}]


def is_address(keys: Iterable[str]) -> bool:
    """Return whether one of the readings is an e-mail address."""
    return any(map(is_email, keys))


def read_numbers(text: str, regions: Iterable[str]) -> list[set[str]]:
    """Return the match keys of each number in the text, as read from each of the regions.

    A number that begins with a country code is found without its plus, too.
    """
    places = ["", *regions]
    parts = [_keys_of(part, places) for part in _BETWEEN_NUMBERS.split(text)]
    several = [keys for keys in parts if keys]
    if len(several) > 1:
        # The same number twice is one number.
        same = set.intersection(*several)
        return [same] if same else several
    return [_keys_of(text, places)]


def _keys_of(text: str, places: list[str]) -> set[str]:
    typed = {phone_key(text, region) for region in places} - {""}
    digits = text.strip().lstrip("(+").strip()
    abroad = phone_key(f"+{digits}", "") if digits[:1].isdecimal() and digits[0] != "0" else ""
    return typed | ({abroad} - {""})


def index_words(name: str) -> list[str]:
    """Return the words by which a name is found.

    ``O'Brien`` and ``Anna-Marie`` are found by each part and by the whole.
    """
    return sorted({word for words in name_readings(name, titles=True) for word in words})


def name_readings(name: str, *, titles: bool = False) -> list[list[str]]:
    """Return the words of a name in each way in which its apostrophes and hyphens can be read.

    Titles are left out, unless the text has nothing else.
    """
    spellings = [name, _APOSTROPHES.sub(" ", name), _HYPHENS.sub("", name)]
    keys = dict.fromkeys(map(name_key, spellings))
    if not titles:
        keys = dict.fromkeys(_TITLES.sub(" ", key).strip() or key for key in keys)
    return [[word[:MAX_WORD] for word in key.split()] for key in keys if key]


def is_same_name(one: str, other: str) -> bool:
    """Return whether two names have the same words in any order, apart from titles."""
    words = {tuple(sorted(reading)) for reading in name_readings(one)}
    return any(tuple(sorted(reading)) in words for reading in name_readings(other))
