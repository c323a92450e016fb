"""Match keys make different spellings of a person's name, e-mail and phone comparable.

Keys serve only to *find* a person. The visitor's entries are stored as typed. An empty key matches
nothing.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

import idna
import phonenumbers

#: The length of the key columns. Case folding and normalization can make a text many times longer.
MAX_KEY = 400
#: "(0)" at the beginning of a number, or after its country code.
_BRACKETED_ZERO = re.compile(r"^((?:\+[0-9]{1,3}[\s.-]*)?)\(\s*0\s*\)", re.ASCII)


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
    """Return the name in NFKC, case-folded, without diacritics, with single spaces."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFKC", bare).split())[:MAX_KEY]


def email_key(email: str) -> str:
    """Return the address in NFC, trimmed and case-folded, with its domain in IDNA (RFC 5891)."""
    local, at, domain = unicodedata.normalize("NFC", email).strip().casefold().rpartition("@")
    if not at:
        return ""
    # A domain that is not a DNS name (for example an address literal) is compared unchanged.
    with suppress(idna.IDNAError, UnicodeError):
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"[:MAX_KEY]


def phone_key(phone: str, region: str) -> str:
    """Return the number in E.164, or an empty key if it is not valid as dialed in the region."""
    number = parse_phone(phone, region)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else ""


def parse_phone(phone: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Parse a phone number in a common spelling. Return None if it is not valid.

    Accepts ``00420 …``, full-width digits, and ``(0)``: the national prefix in a spelling such as
    ``+44 (0)20 …``. The ``(0)`` is dropped if it is not part of the number, as in countries
    without such a prefix.
    """
    text = unicodedata.normalize("NFKC", phone).strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    return _valid(text, region) or _valid(_BRACKETED_ZERO.sub(r"\1", text), region)


def _valid(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def example_numbers(region: str) -> dict[str, str]:
    """Return an example number of the region in ``national`` and in ``international`` format."""
    number: Any = phonenumbers.example_number(region) or phonenumbers.example_number("CZ")
    styles = phonenumbers.PhoneNumberFormat
    return {
        "national": phonenumbers.format_number(number, styles.NATIONAL),
        "international": phonenumbers.format_number(number, styles.INTERNATIONAL),
    }
