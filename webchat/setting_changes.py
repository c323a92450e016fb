"""Record changes of settings that decide about personal data, chained in the erasure ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from anonymization.ledger import recording
from anonymization.models import Note, Source
from webchat.models import SettingChange, TextKind, WebChat

#: The recorded fields of a WebChat. The other fields concern its look only.
RECORDED = (
    "entry_form", "showroom_form", "on_withdrawal", "retention_days", "abandon_minutes", "second_basis",
)  # fmt: skip
#: The names under which publications and retirements are recorded, by kind of text. Their values
#: are version numbers.
PUBLISHED: dict[str, str] = {
    TextKind.CONSENT: "consent_version",
    TextKind.NOTICE: "notice_version",
}
RETIRED: dict[str, str] = {
    TextKind.CONSENT: "retired_consent_version",
    TextKind.NOTICE: "retired_notice_version",
}


class NotRecorded(Exception):
    """The erasure ledger cannot be written, so the setting was not changed."""


def record_setting_changes(
    webchat: WebChat | None, *, changes: Mapping[str, tuple[Any, Any]], by: User | None
) -> list[SettingChange]:
    """Record settings that were changed, each with a note in the erasure ledger.

    ``changes`` maps the name of a setting to its values before and after, as JSON values. Equal
    values are skipped. ``webchat`` is None for settings of the whole installation, ``by`` is None
    for a command. Call it in the transaction of the change, which must be an
    ``recording.erasing()`` block, after all other rows are locked: the ledger is locked last.

    Raises:
        NotRecorded: The ledger cannot be written. The caller must let its transaction roll back.
        RuntimeError: The outermost transaction is not an ``erasing`` block.
    """
    now = timezone.now()
    requester = recording.Requester(Source.PAGE if by else Source.COMMAND, by)
    recorded = []
    for field, (old, new) in changes.items():
        if old == new:
            continue
        change = SettingChange.objects.create(
            webchat=webchat, field=field, before=old, after=new, changed_at=now, changed_by=by
        )
        try:
            recording.note(Note.SETTINGS_CHANGED, requester=requester, subjects=[change.digest])
        except recording.LedgerUnavailable:
            message = _(
                "The change can't be recorded in the erasure ledger now. Nothing was saved."
            )
            raise NotRecorded(message) from None
        recorded.append(change)
    return recorded


def recorded_values(webchat: WebChat) -> dict[str, Any]:
    """Return the current values of the recorded fields of a WebChat."""
    return {field: getattr(webchat, field) for field in RECORDED}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the values before and after, by name, in the form of ``record_setting_changes``."""
    return {name: (old.get(name), value) for name, value in new.items()}


def digests() -> Iterator[str]:
    """Yield the hash of each recorded change, computed from the stored values."""
    changes: Iterable[SettingChange] = SettingChange.objects.order_by("pk").iterator()
    return (change.digest for change in changes)
