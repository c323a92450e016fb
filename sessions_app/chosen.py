"""Which sessions were chosen to be anonymized at once: a few, each by its id; never "all pages"."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from lib.ids import is_id

MAX_CHOSEN = 100


class ChoiceRefused(ValueError):
    """What was chosen can't be anonymized at once. The message is fit for the person who chose."""


def chosen_ids(texts: Sequence[str]) -> list[int]:
    """Return the ids that were sent, each once.

    Raises:
        ChoiceRefused: there are none, too many, or one is not an id.
    """
    if not texts:
        raise ChoiceRefused(_("Select at least one session."))
    if len(texts) > MAX_CHOSEN:
        raise ChoiceRefused(_("You can select at most %(limit)d at once.") % {"limit": MAX_CHOSEN})
    if not all(map(is_id, texts)):
        raise ChoiceRefused(_("One of the selected records does not exist. Nothing was changed."))
    return list(dict.fromkeys(map(int, texts)))
