"""Store what the company says about itself as the data controller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.contrib.auth.models import User

from anonymization.ledger.recording import erasing
from webchat.models import DataController
from webchat.setting_changes import record_setting_changes


def save_controller(changes: Mapping[str, Any], *, by: User | None) -> set[str]:
    """Store changed values, record each change, and return the names of the changed fields.

    The first change stores the values of the environment variables too. From then on, these
    variables are no longer read.

    Raises:
        NotRecorded: The change cannot be recorded in the erasure ledger. Nothing was stored.
    """
    with erasing():
        DataController.objects.get_or_create(
            pk=DataController.KEY, defaults=DataController.initial_values()
        )
        rows = DataController.objects.filter(pk=DataController.KEY)
        stored = rows.select_for_update().get()
        before = {name: getattr(stored, name) for name in changes}
        changed = {name for name, value in changes.items() if before[name] != value}
        if changed:
            rows.update(**{name: changes[name] for name in changed})
        recorded = {
            name: (_as_json(before[name]), _as_json(changes[name])) for name in sorted(changed)
        }
        record_setting_changes(None, changes=recorded, by=by)
        return changed


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
