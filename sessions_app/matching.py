"""Match keys make different spellings of a person's name, e-mail and phone comparable.

Keys serve only to *find* a person. The visitor's entries are stored as typed. An empty key matches
nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import asdict, dataclass, fields
from typing import Any

import idna
import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

#: The length of the key columns. Case folding and normalization can make a text many times longer.
MAX_KEY = 400
#: "(0)" at the beginning of a number, or after its country code.
_BRACKETED_ZERO = re.compile(r"^((?:\+[0-9]{1,3}[\s.-]*)?)\(\s*0\s*\)", re.ASCII)
#: A remark in brackets, for example the name of the person who answers.
_REMARK = re.compile(r"\([^()0-9]*\)", re.ASCII)
#: Words before the number, for example "Tel.:".
_BEFORE = re.compile(r"^[^0-9+(]+", re.ASCII)
_EXTENSION = re.compile(
    r"[\s,;/-]*(?<![a-z])(?:ext(?:ension)?|klapka|kl|linka|l|durchwahl|dw|app(?:arat)?|nebenstelle|x)"
    r"[\s.:=]*[0-9]{1,6}\s*$",
    re.ASCII | re.IGNORECASE,
)
#: An extension after a slash. Longer numbers after a slash belong to the number: 0664/1234567.
_SLASHED = re.compile(r"\s*/\s*[0-9]{1,3}\s*$", re.ASCII)
#: In North America letters stand for digits, as in 1-800-FLOWERS.
_NORTH_AMERICA = 1

APOSTROPHES = (
    "'\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb"
    "\u2032\u2035\u00b4`\uff07\ua78c\u055a\u05f3"
)
#: Letters with a stroke or a ligature, which Unicode does not decompose.
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t"}
)  # fmt: skip
_NO_APOSTROPHES = dict.fromkeys(map(ord, APOSTROPHES))
#: Characters that show nothing although Unicode does not call them format characters.
_FILLERS = frozenset(
    map(
        chr,
        [
            0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0,
            *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
        ],
    )
)  # fmt: skip


@dataclass(frozen=True)
class MatchKeys:
    """The match keys of a person, one for each value by which a guest is found.

    ``Guest`` stores each value in the column of its name, and its key in ``<name>_key``.
    """

    name: str
    email: str
    phone: str

    @property
    def complete(self) -> bool:
        return all(asdict(self).values())

    @property
    def columns(self) -> dict[str, str]:
        """Return the keys by their column names in ``Guest``."""
        return {f"{name}_key": key for name, key in asdict(self).items()}


#: The names of the values by which a guest is found.
MATCHED = tuple(field.name for field in fields(MatchKeys))


def match_keys(*, name: str, email: str, phone: str, region: str) -> MatchKeys:
    return MatchKeys(name=name_key(name), email=email_key(email), phone=phone_key(phone, region))


def name_key(name: str) -> str:
    """Return the name folded for comparison. It keeps the order of the words and the titles.

    Letters lose case, diacritics and strokes. Apostrophes and invisible characters are dropped.
    Hyphens and other punctuation count as spaces.
    """
    key = name
    # One pass can produce letters that the next pass folds. A third pass changes nothing more.
    for _pass in range(3):
        key = _fold(key)
    return key[:MAX_KEY].strip()


def _fold(text: str) -> str:
    # NFKC would make a space and an accent of "´", so apostrophes are dropped first.
    decomposed = unicodedata.normalize("NFKC", text.translate(_NO_APOSTROPHES)).casefold()
    folded = unicodedata.normalize("NFKD", decomposed).translate(_LETTERS)
    bare = "".join(map(_bare, folded))
    return " ".join(unicodedata.normalize("NFKC", bare).split())


def _bare(character: str) -> str:
    category = unicodedata.category(character)
    if unicodedata.combining(character) or category == "Cf" or character in _FILLERS:
        return ""
    return " " if category[0] == "P" else character


def is_name(name: str) -> bool:
    """Return whether the text contains a letter that can be seen."""
    return any(map(str.isalpha, name_key(name)))


def email_key(email: str) -> str:
    """Return the address with its local part case-folded and its domain in IDNA (RFC 5891).

    Every text with an @ has a key, so that an address that was accepted earlier is still found.
    The domain is not case-folded: that would make one domain of ``faß.de`` and ``fass.de``.
    """
    local, at, domain = unicodedata.normalize("NFC", email).strip().rpartition("@")
    if not at:
        return ""
    return f"{local.casefold()}@{_ascii_domain(domain) or domain.lower()}"[:MAX_KEY]


def _ascii_domain(domain: str) -> str:
    """Return a domain in ASCII, or "" if IDNA does not allow it."""
    domain = domain.rstrip(".")
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""


def is_email(email: str) -> bool:
    """Return whether the text is an e-mail address, also with letters outside of ASCII (RFC 6531)."""
    local, _at, domain = email.rpartition("@")
    if len(local.encode(errors="replace")) > 64 or any(map(_is_invisible, email)):
        return False
    # Django's rules are about ASCII. Any other letter or digit may stand where "x" may stand.
    plain = "".join("x" if not c.isascii() and c.isalnum() else c for c in _composed(local))
    try:
        EmailValidator(allowlist=[])(f"{plain}@{_ascii_domain(domain)}")
    except ValidationError:
        return False
    return not domain.endswith(".")


def _composed(text: str) -> str:
    """Return a text in NFC without the marks that no letter of Unicode contains."""
    return "".join(
        c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c)[0] != "M"
    )


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cf", "Cc"} or character in _FILLERS


def phone_key(phone: str, region: str) -> str:
    """Return the number in E.164, or an empty key if it is not valid as dialed in the region."""
    number = parse_phone(phone, region)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else ""


def parse_phone(phone: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Parse a phone number in a common spelling. Return None if it is not valid.

    Accepts ``00420 …`` and the region's own exit codes, full-width digits, extensions, remarks in
    brackets, and ``(0)``: the national prefix in a spelling such as ``+44 (0)20 …``. The ``(0)`` is
    dropped if it is not part of the number, as in countries without such a prefix. An extension is
    not part of the number.
    """
    text = _EXTENSION.sub("", _clean_phone(phone))
    return _parse(_SLASHED.sub("", text), region) or _parse(text, region)


def _clean_phone(phone: str) -> str:
    visible = "".join(
        " " if c == "_" or c.isspace() else c
        for c in unicodedata.normalize("NFKC", phone)
        if unicodedata.category(c) != "Cf"
    )
    return _BEFORE.sub("", _REMARK.sub(" ", visible).strip()).strip()


def _parse(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    # As typed first: "001…" and "0011…" begin with an exit code in some regions.
    spellings = [text, f"+{text[2:]}"] if text.startswith("00") else [text]
    for spelling in spellings:
        for attempt in (spelling, _BRACKETED_ZERO.sub(r"\1", spelling)):
            if number := _valid(attempt, region):
                return number
    return None


def _valid(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # The library reads letters as digits, so that "Flat 12" would become a part of the number.
    spelled = any(map(str.isalpha, text)) and number.country_code != _NORTH_AMERICA
    return number if phonenumbers.is_valid_number(number) and not spelled else None


def example_numbers(region: str) -> dict[str, str]:
    """Return an example number of the region in ``national`` and in ``international`` format."""
    number: Any = phonenumbers.example_number(region) or phonenumbers.example_number("CZ")
    styles = phonenumbers.PhoneNumberFormat
    return {
        "national": phonenumbers.format_number(number, styles.NATIONAL),
        "international": phonenumbers.format_number(number, styles.INTERNATIONAL),
    }
