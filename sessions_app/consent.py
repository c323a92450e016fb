"""The evidence of consent and the withdrawal of consent (GDPR Art. 7)."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure
from lib.days import start_of
from sessions_app.conversation import end_locked
from sessions_app.evidence import signatures
from sessions_app.evidence.signatures import Statement
from sessions_app.lock import lock_writable
from sessions_app.models import (
    ConsentEvent,
    Party,
    Session,
)
from webchat.models import ConsentText, OnWithdrawal

logger = logging.getLogger(__name__)


class NothingToWithdraw(Exception):
    """The session has no consent that could be withdrawn, because none was required."""


def store_evidence(
    session: Session, text: ConsentText, kind: ConsentEvent.Kind, *, at: datetime, via: str = ""
) -> None:
    """Append a consent event for this text: consent was given or withdrawn, or it was shown.

    Of the time only the day is stored, rounded to ``ERASURE_TIME_PRECISION``. The event is signed
    with a key that is not in the database.
    """
    day = timezone.localdate(start_of(settings.ERASURE_TIME_PRECISION, at, settings.TIME_ZONE))
    statement = Statement(
        session=session.pk,
        text=text.pk,
        sha256=text.sha256,
        kind=kind,
        day=day.isoformat(),
        channel=session.channel,
        via=via,
    )
    ConsentEvent.objects.create(
        session=session,
        text=text,
        kind=kind,
        day=day,
        channel=session.channel,
        via=via,
        hmac=signatures.sign_event(statement),
    )


def withdraw_consent(
    session: Session,
    *,
    via: ConsentEvent.Via = ConsentEvent.Via.LINK,
    wants_erasure: bool = False,
) -> Erasure | None:
    """Withdraw the person's consent and return the erasure record, if the session was anonymized.

    The session is anonymized immediately if the WebChat is configured to do so. It is not if the
    person wants all of their data deleted: the wish would be erased with it before the data
    protection officer has seen it. Other sessions are never changed. Withdrawal and
    erasure are separate transactions, because the withdrawal must be effective even if the erasure
    fails (GDPR Art. 7(3)). A session whose erasure failed waits for the data protection officer,
    like the withdrawals of other WebChats. A session under a legal hold is anonymized when the hold
    is released.

    Raises:
        ConsentWithdrawn: Consent was withdrawn before. Nothing was changed.
        NothingToWithdraw: No consent was required in the session. Nothing was changed.
        SessionClosed: The session was anonymized. Nothing was changed.
    """
    record_withdrawal(session, via=via, wants_erasure=wants_erasure)
    if wants_erasure or session.webchat.on_withdrawal != OnWithdrawal.ANONYMIZE:
        return None
    try:
        return engine.erase(session, requester=recording.Requester.withdrawal(), wait=True)
    except (recording.ErasureRefused, DatabaseError):
        logger.exception(
            "session %d was not anonymized at its withdrawal and waits for the officer", session.pk
        )
        return None


@transaction.atomic
def record_withdrawal(
    session: Session,
    *,
    via: ConsentEvent.Via = ConsentEvent.Via.LINK,
    wants_erasure: bool = False,
) -> None:
    """End the conversation and store the evidence of the withdrawal.

    From then on ``lock_writable`` refuses to add anything to the session. The given instance gets
    the time of the withdrawal too: its receipt needs it, also after an immediate anonymization.

    Raises:
        ConsentWithdrawn: Consent was withdrawn before.
        NothingToWithdraw: No consent was required in the session.
        SessionClosed: The session was anonymized.
    """
    locked = lock_writable(session, even_ended=True)
    given = locked.consent_given
    if given is None:
        raise NothingToWithdraw
    locked.withdrawn_at, locked.wants_erasure = timezone.now(), wants_erasure
    by = Party.VISITOR if via == ConsentEvent.Via.LINK else Party.OPERATOR
    # One UPDATE for all fields; conversation._count explains why.
    locked.save(update_fields=[*end_locked(locked, by=by), "withdrawn_at", "wants_erasure"])
    store_evidence(locked, given.text, ConsentEvent.Kind.WITHDRAWN, at=locked.withdrawn_at, via=via)
    session.withdrawn_at, session.wants_erasure = locked.withdrawn_at, wants_erasure
