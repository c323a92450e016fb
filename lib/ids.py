"""Primary keys as people and addresses write them: one spelling, and nothing that no database stores.

Registers the path converter ``id``: what is no primary key is a page that does not exist.
"""

from __future__ import annotations

import re

from django.urls import register_converter

#: The largest primary key that a database stores.
MAX_ID = 2**63 - 1


def is_id(text: str) -> bool:
    """Say whether a text is a primary key in its one spelling: 1 to 2^63 - 1, no sign, no zero in front."""
    return bool(re.fullmatch(IdConverter.regex, text)) and int(text) <= MAX_ID


class IdConverter:
    """A primary key in a path."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, text: str) -> int:
        if not is_id(text):
            raise ValueError
        return int(text)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(IdConverter, "id")
