"""Primary keys in input and in URLs: one spelling, and no value that a database cannot store.

Registers the path converter ``id``. A path with another spelling does not match, which gives status
404.
"""

from __future__ import annotations

import re

from django.urls import register_converter

#: The largest primary key that a database stores.
MAX_ID = 2**63 - 1


def is_id(text: str) -> bool:
    """Return whether a text is a primary key: 1 to 2^63 - 1, without a sign or leading zeros."""
    return bool(re.fullmatch(IdConverter.regex, text)) and int(text) <= MAX_ID


class IdConverter:
    """A primary key in a URL path."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, text: str) -> int:
        if not is_id(text):
            raise ValueError
        return int(text)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(IdConverter, "id")
