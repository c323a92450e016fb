"""Names of the regions with known phone numbers, for the menu of default regions.

``regions.csv`` contains the ISO 3166 code (and AC, TA, XK, which phone numbers use) and the name in
each language. The names in Czech, German and Slovak are from Unicode CLDR (Unicode License v3).
They are not in the message catalogs, because there are too many of them.
"""

import csv
import unicodedata
from functools import cache
from pathlib import Path

_FALLBACK = "en"


@cache
def read_regions() -> dict[str, dict[str, str]]:
    """Return the names of each region by language, keyed by the region's code."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {names.pop("code"): names for names in csv.DictReader(file)}


def regions_by_name(language: str) -> list[tuple[str, str]]:
    """Return (name, code) pairs sorted by name. Without names in the language, use English.

    A letter with a diacritic follows its base letter: ``Cuba, Česko, Dánsko``.
    """
    named = [
        (names.get(language, names[_FALLBACK]), code) for code, names in read_regions().items()
    ]
    return sorted(named, key=lambda item: unicodedata.normalize("NFKD", item[0].casefold()))
