"""The evidence of consent, and its withdrawal (GDPR Art. 7)."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from sessions_app.conversation import end_locked
from sessions_app.lock import lock_writable
from sessions_app.models import (
    ConsentEvent,
    Party,
    Session,
)
from sessions_app.rounding import start_of
from webchat.models import ConsentText, OnWithdrawal

logger = logging.getLogger(__name__)


class NothingToWithdraw(Exception):
    """No consent was asked in the session."""


def store_evidence(session: Session, text: ConsentText, kind: ConsentEvent.Kind, *, at: datetime) -> None:
    """Append the event that a text was agreed to, or consent withdrawn; of the time it keeps the period."""
    ConsentEvent.objects.create(
        session=session,
        text=text,
        kind=kind,
        day=timezone.localdate(start_of(settings.ERASURE_TIME_PRECISION, at, settings.TIME_ZONE)),
        channel=session.channel,
    )


def withdraw_consent(session: Session) -> Erasure | None:
    """Take the person's consent back; where the WebChat says so, anonymize the session at once and return the record.

    Two transactions, since the withdrawal holds whatever hinders the erasure (GDPR Art. 7(3)): a session that could
    not be erased waits for the officer as the others do.

    Raises:
        As ``record_withdrawal`` says; then nothing was changed.
    """
    record_withdrawal(session)
    if session.webchat.on_withdrawal != OnWithdrawal.ANONYMIZE:
        return None
    try:
        record, _erased = engine.erase(session, requester=recording.Requester(Source.WITHDRAWAL))
    except (recording.ErasureRefused, DatabaseError):
        logger.exception(
            "session %d was not anonymized at its withdrawal and waits for the officer", session.pk
        )
        return None
    return record


@transaction.atomic
def record_withdrawal(session: Session) -> None:
    """End the conversation and store the evidence that consent was withdrawn. Nothing is added to the session after.

    Raises:
        ConsentWithdrawn: it was withdrawn before.
        NothingToWithdraw: no consent was asked.
        SessionClosed: the session was anonymized.
    """
    locked = lock_writable(session, even_ended=True)
    given = locked.consent_given
    if given is None:
        raise NothingToWithdraw
    locked.withdrawn_at = timezone.now()
    # In one UPDATE: see _count.
    locked.save(update_fields=[*end_locked(locked, by=Party.VISITOR), "withdrawn_at"])
    store_evidence(locked, given.text, ConsentEvent.Kind.WITHDRAWN, at=locked.withdrawn_at)
