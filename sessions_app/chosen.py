"""Validate a selection of sessions to anonymize: a few explicit ids, never "all pages"."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from lib.ids import is_id

MAX_CHOSEN = 100


class ChoiceRefused(ValueError):
    """The selection cannot be anonymized together. The message can be shown to the person."""


def chosen_ids(texts: Sequence[str]) -> list[int]:
    """Return the submitted ids without duplicates.

    Raises:
        ChoiceRefused: There are no ids, there are too many, or one is not an id.
    """
    if not texts:
        raise ChoiceRefused(_("Select at least one session."))
    if len(texts) > MAX_CHOSEN:
        raise ChoiceRefused(_("You can select at most %(limit)d at once.") % {"limit": MAX_CHOSEN})
    if not all(map(is_id, texts)):
        raise ChoiceRefused(_("One of the selected records does not exist. Nothing was changed."))
    return list(dict.fromkeys(map(int, texts)))
