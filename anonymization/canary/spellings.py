"""Search bytes for all values in all spellings that a copy may have.

A value is searched plain, in lower case and without diacritics (like match keys). Each of these is
searched:

- in UTF-8, UTF-16, base64 (in its three alignments, both alphabets) and hexadecimal digits
- escaped for JSON and for URLs
- as MD5, SHA-1 and SHA-256
- all of this inside zlib, gzip and zip, also nested
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from anonymization.canary.values import Canary

#: (label, spelling)
Found = tuple[str, str]

_BEGIN = 8
_HEX = re.compile(rb"[0-9a-fA-F]{32,}")
_DIGESTS = {"MD5": hashlib.md5, "SHA-1": hashlib.sha1, "SHA-256": hashlib.sha256}
_DIGEST_LENGTHS = {32, 40, 64}
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|PK\x03\x04")
_PIECE, _MOST = 16 * 1024, 64 * 1024 * 1024
_DEPTH = 3


def letters(value: str) -> Iterator[tuple[str, str]]:
    """Yield (name, text): the value itself, in lower case, and without diacritics."""
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c)
    )
    texts = {value: "plain"}
    for name, text in (("lower", value.lower()), ("lower", value.casefold()), ("folded", bare)):
        texts.setdefault(text, name)
    yield from ((name, text) for text, name in texts.items())


def encoded(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of a text in each encoding that is searched literally."""
    raw = text.encode()
    yield "", raw
    yield "UTF-16", text.encode("utf-16-le")
    yield "UTF-16", text.encode("utf-16-be")
    for shift in range(3):
        # The first and last letters depend on the bytes before and after the value, so they are
        # left out.
        whole = base64.b64encode(b"\0" * shift + raw)
        inner = whole[(0, 2, 3)[shift] : (shift + len(raw)) * 8 // 6]
        yield "base64", inner
        yield "base64", inner.translate(bytes.maketrans(b"+/", b"-_"))
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    yield "JSON", json.dumps(text)[1:-1].encode()
    yield "URL", quote(text, safe="").encode()
    yield "URL", quote(text, safe="").replace("%20", "+").encode()


class Search:
    """Find canaries in bytes.

    Values with the same beginning cost one lookup, so that the cost hardly depends on the number of
    canaries.
    """

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._needles: dict[bytes, dict[bytes, Found]] = defaultdict(dict)
        self._digests: dict[bytes, Found] = {}
        for canary in canaries:
            for value in canary.values:
                self._add(canary.label, value)

    def _add(self, label: str, value: str) -> None:
        for letter, text in letters(value):
            for encoding, needle in encoded(text):
                spelling = " ".join(filter(None, (letter, encoding)))
                self._needles[needle[:_BEGIN]].setdefault(needle, (label, spelling))
            for name, digest in _DIGESTS.items():
                found = digest(text.encode(), usedforsecurity=False).hexdigest().encode()
                self._digests.setdefault(found, (label, f"{letter} {name}"))

    def find(self, data: bytes, *, depth: int = _DEPTH) -> set[Found]:
        """Return which canaries the bytes contain, and in which spelling."""
        found = {
            what
            for begin, needles in self._needles.items()
            if begin in data
            for needle, what in needles.items()
            if needle in data
        }
        for match in _HEX.finditer(data):
            found.update(self._digests_in(match[0].lower()))
        if depth:
            for packing, inner in unpacked(data):
                found |= {
                    (label, f"{s}, in {packing}") for label, s in self.find(inner, depth=depth - 1)
                }
        return found

    def _digests_in(self, digits: bytes) -> Iterator[Found]:
        if len(digits) not in _DIGEST_LENGTHS:
            yield from (what for digest, what in self._digests.items() if digest in digits)
        elif digits in self._digests:
            yield self._digests[digits]


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (packing, content) of all packed data in the bytes.

    For damaged data, the content before the damage is returned.
    """
    for match in _PACKED.finditer(data):
        begin, packing, bits = match.start(), "zlib", zlib.MAX_WBITS
        if match[0].startswith(b"\x1f"):
            packing, bits = "gzip", zlib.MAX_WBITS | 16
        elif match[0].startswith(b"P"):
            # In the local file header of a zip, the lengths of name and extra are at offsets 26 and
            # 28. The packed bytes follow the header.
            if begin + 30 > len(data):
                continue
            packing, bits = "zip", -zlib.MAX_WBITS
            begin += 30 + sum(struct.unpack_from("<HH", data, begin + 26))
        if content := _inflate(data, begin, bits):
            yield packing, content


def _inflate(data: bytes, begin: int, bits: int) -> bytes:
    packed, content = zlib.decompressobj(bits), bytearray()
    for position in range(begin, len(data), _PIECE):
        try:
            content += packed.decompress(data[position : position + _PIECE])
        except zlib.error:
            break
        if packed.eof or len(content) > _MOST:
            break
    return bytes(content)
