"""Compare the consent texts of two versions, language by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings
from django.utils.functional import Promise
from django.utils.html import escape

from webchat.consent_diff import DiffLine, DiffRun, runs_of
from webchat.consent_html import DraftText, diff

_NOTHING = DraftText("", "")


class LanguageDifference(NamedTuple):
    """The differences in one language.

    ``state`` is same, changed, added or removed, or formatting if no words differ.
    """

    language: str
    name: str | Promise
    state: str
    label: list[DiffRun]
    body: list[DiffRun]


def differences(
    before: Mapping[str, DraftText], after: Mapping[str, DraftText]
) -> list[LanguageDifference]:
    """Return the differences in each language of either side, in the order of the settings."""
    return [
        _difference(code, name, before.get(code), after.get(code))
        for code, name in settings.LANGUAGES
        if code in before or code in after
    ]


def _difference(
    code: str, name: str | Promise, before: DraftText | None, after: DraftText | None
) -> LanguageDifference:
    old, new = before or _NOTHING, after or _NOTHING
    label = diff(_as_paragraph(old.label), _as_paragraph(new.label))
    body = diff(old.body, new.body)
    state = _state(before, after, [*label, *body])
    return LanguageDifference(code, name, state, runs_of(label), runs_of(body))


def _state(before: DraftText | None, after: DraftText | None, lines: list[DiffLine]) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before == after:
        return "same"
    return "formatting" if all(line.kind == "equal" for line in lines) else "changed"


def _as_paragraph(label: str) -> str:
    return f"<p>{escape(label)}</p>" if label else ""
