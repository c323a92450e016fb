"""Test the four languages: catalogues are complete, and compiled from the texts."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ["cs", "de", "sk"]
ENTRY = re.compile(
    r'^msgid (?P<id>(?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?(?P<texts>(?:msgstr.*\n(?:".*"\n)*)+)',
    re.M,
)


def catalogue(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_missing_or_doubtful(language: str) -> None:
    text = catalogue(language).read_text()
    entries = [(m["id"], m["texts"]) for m in ENTRY.finditer(text)]
    assert len(entries) > 500
    assert [name for name, texts in entries if re.search(r'msgstr(\[\d\])? ""\n(?!")', texts)] == []
    assert "#, fuzzy" not in text
    assert "#~" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_form_of_a_plural_is_there(language: str) -> None:
    """A missing form is shown in English."""
    text = catalogue(language).read_text()
    (forms,) = re.findall(r"nplurals=(\d)", text)
    counts = {m["id"]: m["texts"].count("msgstr[") for m in ENTRY.finditer(text)}
    assert [name for name, count in counts.items() if count not in (0, int(forms))] == []


@pytest.mark.parametrize(
    "path",
    [*map(catalogue, LANGUAGES), ROOT / "locale_packages" / "de" / "LC_MESSAGES" / "django.po"],
)
def test_compiled_catalogue_is_that_of_the_text(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as compiled:
        known = gettext.GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]
    singular = {
        "".join(re.findall(r'"(.*)"', m["id"]))
        .replace("\\n", "\n")
        .replace('\\"', '"')
        .replace("\\\\", "\\")
        for m in ENTRY.finditer(path.read_text())
        if "msgstr[" not in m["texts"]
    } - {""}
    assert singular
    assert singular <= set(known)


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="xgettext is not installed")
def test_the_catalogues_hold_the_words_of_the_sources_and_no_others(tmp_path: Path) -> None:
    """Compare the catalogues with the ones that ``makemessages`` would write. Needs GNU gettext."""
    copy = tmp_path / "tree"
    ignore = shutil.ignore_patterns(".venv", "var", ".git", "node_modules", "*.mo")
    shutil.copytree(ROOT, copy, ignore=ignore)
    command = [
        sys.executable,
        "manage.py",
        "makemessages",
        "--no-location",
        "--no-wrap",
        "-v0",
    ]
    subprocess.run([*command, *(f"--locale={code}" for code in LANGUAGES)], cwd=copy, check=True)
    for language in LANGUAGES:
        before, after = catalogue(language), copy / catalogue(language).relative_to(ROOT)
        names = [
            set(re.findall(r"^msgid (.*(?:\n\".*\")*)", path.read_text(), re.M))
            for path in (before, after)
        ]
        assert sorted(names[0] ^ names[1]) == [], language


#: Words that readers did not understand, with their replacements.
ABANDONED = {
    "anew": "again",
    "digest": "hash",
    "door": "source",
    "emptied": "anonymized or cleared",
    "for good": "permanently",
    "head": "latest ledger hash",
    "kept in company": "kept if shared",
    "log-in": "login",
    "meanwhile": "in the meantime",
    "member of staff": "staff member",
    "of late": "recently",
    "outside copy": "external copy",
    "web site": "website",
    "whoever": "anyone who",
}


def test_abandoned_words_do_not_come_back() -> None:
    ids = [
        "".join(re.findall(r'"(.*)"', m["id"])) for m in ENTRY.finditer(catalogue("cs").read_text())
    ]
    assert len(ids) > 500
    found = [
        (word, text)
        for word in ABANDONED
        for text in ids
        if re.search(rf"\b{word}s?\b", text, re.I)
    ]
    assert found == []
