"""System checks of this app.

W001  the GDPR form is in use, but visitors are not told who the data controller is
W002  a form without consent is in use, but its WebChat has no privacy notice

Both run with ``check --deploy``.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError
from django.db.models import Q

from webchat.models import DataController, EntryForm, TextKind, WebChat


@register(Tags.security, deploy=True)
def check_controller_is_named(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a WebChat that asks for consent in the name of nobody (GDPR Art. 13(1)(a))."""
    try:
        asks = WebChat.objects.open().filter(
            Q(entry_form=EntryForm.GDPR) | Q(showroom_form=EntryForm.GDPR)
        )
        is_unnamed = asks.exists() and not DataController.current().is_named
    except DatabaseError:
        # The database is away or not migrated yet. Other checks report that.
        return []
    if not is_unnamed:
        return []
    return [
        Warning(
            "Visitors are asked for consent, but the data controller or its contact is missing.",
            hint="Enter both at Settings > GDPR.",
            id="webchat.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_privacy_notice(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of WebChats that neither ask for consent nor inform visitors (GDPR Art. 13)."""
    without_consent = [EntryForm.NONE, EntryForm.STANDARD]
    try:
        webchats = WebChat.objects.open().filter(
            Q(entry_form__in=without_consent) | Q(showroom_form__in=without_consent)
        )
        missing = webchats.exclude(consent_versions__kind=TextKind.NOTICE).count()
    except DatabaseError:
        return []
    if not missing:
        return []
    return [
        Warning(
            f"Visitors of {missing} WebChats are not told how their data is used.",
            hint="Publish a privacy notice at Settings > WebChat > Privacy notice.",
            id="webchat.W002",
        )
    ]
