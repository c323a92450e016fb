"""The evidence of consent and the withdrawal of consent (GDPR Art. 7)."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from sessions_app.conversation import end_locked
from sessions_app.lock import lock_writable
from sessions_app.models import (
    ConsentEvent,
    Message,
    Party,
    Session,
)
from sessions_app.rounding import start_of
from webchat.models import ConsentText, OnWithdrawal

logger = logging.getLogger(__name__)


class NothingToWithdraw(Exception):
    """The session has no consent that could be withdrawn, because none was required."""


def store_evidence(
    session: Session, text: ConsentText, kind: ConsentEvent.Kind, *, at: datetime
) -> None:
    """Append a consent event for this text: consent was given or withdrawn, or it was shown.

    Of the time only the day is stored, rounded to ``ERASURE_TIME_PRECISION``.
    """
    ConsentEvent.objects.create(
        session=session,
        text=text,
        kind=kind,
        day=timezone.localdate(start_of(settings.ERASURE_TIME_PRECISION, at, settings.TIME_ZONE)),
        channel=session.channel,
    )


def withdraw_consent(session: Session, *, told_to: User | None = None) -> Erasure | None:
    """Withdraw the person's consent and return the erasure record, if the session was anonymized.

    ``told_to`` is the staff member to whom the person said so in the conversation. Without one, the
    person withdrew through their own link.

    The session is anonymized immediately if the WebChat is configured to do so. Withdrawal and
    erasure are separate transactions, because the withdrawal must be effective even if the erasure
    fails (GDPR Art. 7(3)). A session whose erasure failed waits for the data protection officer,
    like the withdrawals of other WebChats.

    Raises:
        ConsentWithdrawn: Consent was withdrawn before. Nothing was changed.
        NothingToWithdraw: No consent was required in the session. Nothing was changed.
        SessionClosed: The session was anonymized. Nothing was changed.
    """
    record_withdrawal(session, told_to=told_to)
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
def record_withdrawal(session: Session, *, told_to: User | None = None) -> None:
    """End the conversation and store the evidence of the withdrawal.

    A withdrawal that was told to a staff member is recorded in the conversation, with their name.
    From then on ``lock_writable`` refuses to add anything to the session.

    Raises:
        ConsentWithdrawn: Consent was withdrawn before.
        NothingToWithdraw: No consent was required in the session.
        SessionClosed: The session was anonymized.
    """
    locked = lock_writable(session, even_ended=True)
    given = locked.consent_given
    if given is None:
        raise NothingToWithdraw
    if told_to is not None:
        with translation.override(locked.language):
            text = gettext("The consent was withdrawn in this conversation.")
        Message.objects.create(session=locked, sender=Party.SYSTEM, author=told_to, text=text)
    locked.withdrawn_at = timezone.now()
    by = Party.OPERATOR if told_to else Party.VISITOR
    # One UPDATE for all fields; conversation._count explains why.
    locked.save(update_fields=[*end_locked(locked, by=by), "withdrawn_at"])
    store_evidence(locked, given.text, ConsentEvent.Kind.WITHDRAWN, at=locked.withdrawn_at)
