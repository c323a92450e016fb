"""Verify that the stored evidence of consent is genuine. ``verify_ledger`` calls it."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from anonymization.ledger.verification import NotGenuine
from sessions_app.evidence.anchors import check_anchored, stored_anchors
from sessions_app.evidence.events import LOWEST, Texts, check_and_hash
from sessions_app.models import ConsentEvent, Session


def verify_evidence() -> str:
    """Check all consent events, their anchors and the withdrawals; return a sentence with numbers.

    Reads the events once, in the order of their numbers and in chunks.

    Raises:
        NotGenuine: the message names the first event or session that is not genuine.
        BrokenChain: an anchor differs from the ledger.
    """
    anchors, texts = stored_anchors(), Texts()
    hashed = [check_anchored(anchor, texts) for anchor in anchors]
    after = anchors[-1].last_id if anchors else LOWEST
    newer = check_and_hash(texts, after=after, to=None, unsigned_allowed=not anchors)
    check_withdrawals()
    anchored = sum(part.number for part in hashed)
    unsigned = sum(part.unsigned for part in [*hashed, newer])
    lost = sum(part.number for part, one in zip(hashed, anchors, strict=True) if one.key_lost)
    return (
        f"The evidence of consent is genuine: {anchored + newer.number} events. "
        f"Not anchored yet: {newer.number}. "
        f"Without an HMAC, from an earlier release: {unsigned}."
        + (f" With a lost key, verified by the ledger alone: {lost}." if lost else "")
    )


def check_withdrawals() -> None:
    """Check that sessions and events agree on which consents were withdrawn.

    Raises:
        NotGenuine: the message names the first session with a hidden, added or impossible
            withdrawal.
    """
    withdrawals = ConsentEvent.objects.filter(kind=ConsentEvent.Kind.WITHDRAWN)
    hidden = withdrawals.filter(session__withdrawn_at=None, session__anonymized_in=None)
    of_the_session = withdrawals.filter(session=OuterRef("pk"))
    added = Session.objects.withdrawn().exclude(Exists(of_the_session))
    given = ConsentEvent.objects.filter(
        session=OuterRef("session"), text=OuterRef("text"), kind=ConsentEvent.Kind.GIVEN
    )
    for problem, key, rows in (
        ("its consent was withdrawn, but the session does not say so.", "session", hidden),
        ("it says that consent was withdrawn, but no event does.", "pk", added),
        (
            "its consent was withdrawn, but never given.",
            "session",
            withdrawals.exclude(Exists(given)),
        ),
    ):
        number = rows.order_by("pk").values_list(key, flat=True).first()
        if number is not None:
            raise NotGenuine(f"Session {number}: {problem}")
