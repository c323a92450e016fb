"""Match keys: how the spellings of a person's name, e-mail and phone are made comparable.

Keys serve to *find*; what the visitor typed is stored as typed. An empty key matches nothing.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

import idna
import phonenumbers

#: What a column holds; folding may make a text many times longer than it was typed.
MAX_KEY = 400
#: "(0)" where a number begins, or after its country code.
_BRACKETED_ZERO = re.compile(r"^((?:\+[0-9]{1,3}[\s.-]*)?)\(\s*0\s*\)", re.ASCII)


@dataclass(frozen=True)
class MatchKeys:
    """The keys of a person, one for each value by which a guest is found again.

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
        """Return the keys by their columns of ``Guest``."""
        return {f"{name}_key": key for name, key in asdict(self).items()}


#: The values by which a guest is found again.
MATCHED = tuple(field.name for field in fields(MatchKeys))


def match_keys(*, name: str, email: str, phone: str, region: str) -> MatchKeys:
    return MatchKeys(name=name_key(name), email=email_key(email), phone=phone_key(phone, region))


def name_key(name: str) -> str:
    """Return the name in NFKC, case-folded, without diacritics, with single spaces."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFKC", bare).split())[:MAX_KEY]


def email_key(email: str) -> str:
    """Return the address in NFC, trimmed, case-folded, its domain in IDNA (RFC 5891)."""
    local, at, domain = unicodedata.normalize("NFC", email).strip().casefold().rpartition("@")
    if not at:
        return ""
    # What is no name of the DNS (an address literal, say) is compared as it is.
    with suppress(idna.IDNAError, UnicodeError):
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local}@{domain}"[:MAX_KEY]


def phone_key(phone: str, region: str) -> str:
    """Return the number in E.164, or an empty key when it is no valid number seen from the region."""
    number = parse_phone(phone, region)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else ""


def parse_phone(phone: str, region: str) -> phonenumbers.PhoneNumber | None:
    """Read a number in the spellings that people use, or return None.

    Such as ``00420 …``, full-width digits, and ``(0)``: the prefix within a country, in the manner of
    ``+44 (0)20 …``. Where it is no part of the number, as in countries that have no such prefix, it is left out.
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
    """Return a number of the region as it is written there (``national``) and from abroad (``international``)."""
    number: Any = phonenumbers.example_number(region) or phonenumbers.example_number("CZ")
    styles = phonenumbers.PhoneNumberFormat
    return {
        "national": phonenumbers.format_number(number, styles.NATIONAL),
        "international": phonenumbers.format_number(number, styles.INTERNATIONAL),
    }
