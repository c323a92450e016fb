"""Race each writer of personal data against an erasure, and erasures against each other.

All start at the same moment. In any order, no written data is left, and a refused writer gets one
of its usual errors.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from anonymization import engine, files, redo
from anonymization.ledger import recording
from sessions_app import calls, consent, conversation, lock
from sessions_app.models import Attachment, Channel, Guest, Message, Party, Session, Signal
from tests.crashes import crash
from tests.database import dump, media
from tests.factories import SessionFactory, StaffFactory
from tests.races import at_once
from tests.torture.erasures import COMMAND, attach, begin_anew, ledger_problem, records_of
from tests.torture.work import Trial
from webchat.models import WebChat

TOKEN = "Kassiopeia"
#: The number of races of each kind in a batch.
ROUNDS = 20

Writer = Callable[[Session, User], object]


def _visit_again(session: Session, operator: User) -> Session:
    return SessionFactory(webchat=session.webchat, name=TOKEN, email=session.entered_email)


def _leave_old_signal(session: Session, operator: User) -> None:
    signal = calls.post_signal(session, sender=Party.VISITOR, kind="offer", body=TOKEN)
    Signal.objects.filter(pk=signal.pk).update(at=timezone.now() - 2 * calls.SIGNAL_MAX_AGE)


WRITERS: dict[str, Writer] = {
    "message": lambda s, o: conversation.post_message(s, sender=Party.VISITOR, text=TOKEN),
    "answer": lambda s, o: conversation.post_message(
        s, sender=Party.OPERATOR, text=TOKEN, author=o
    ),
    "upload": lambda s, o: attach(s, TOKEN),
    "note": lambda s, o: conversation.set_note(s, note=TOKEN, result=TOKEN),
    "accept": lambda s, o: conversation.accept_session(s, operator=o),
    "release": lambda s, o: conversation.release_session(s, operator=o),
    "end": lambda s, o: conversation.end_session(s, by=Party.VISITOR),
    "withdraw": lambda s, o: consent.withdraw_consent(s),
    "signal": lambda s, o: calls.post_signal(s, sender=Party.VISITOR, kind="offer", body=TOKEN),
    "connected": lambda s, o: calls.forget_signals(s, sender=Party.VISITOR, up_to=10**9),
    "old signals": lambda s, o: calls.delete_old_signals(wait=True),
    "feedback": lambda s, o: conversation.give_feedback(s, stars=1, text=TOKEN),
    "visit": _visit_again,
}
#: The preparations of a writer.
_BEFORE: dict[str, Writer] = {
    "release": lambda s, o: conversation.accept_session(s, operator=o),
    "connected": lambda s, o: calls.post_signal(s, sender=Party.VISITOR, kind="offer", body=TOKEN),
    "old signals": _leave_old_signal,
    "feedback": lambda s, o: conversation.end_session(s, by=Party.OPERATOR),
}
_REFUSALS = (lock.SessionClosed, conversation.AlreadyAccepted)


def trials(batch: int) -> Iterator[Trial]:
    """Race each writer, two to eight erasures of one person, and the redo of lost commits."""
    chance = random.Random(batch)  # noqa: S311  no secret
    webchat = begin_anew()
    operator = StaffFactory()
    for number in range(ROUNDS):
        for name in WRITERS:
            email = f"{name}.{number}@example.com"
            yield f"{connection.vendor} {name}", _race(webchat, operator, name, email, chance)
        yield f"{connection.vendor} erasures", _erasures(webchat, f"{number}@example.com", chance)
        yield f"{connection.vendor} redo", _redo(webchat, operator, number, chance)
    yield f"{connection.vendor} the end", _left()


def _race(webchat: WebChat, operator: User, name: str, email: str, chance: random.Random) -> str:
    channel = Channel.AV if name in {"signal", "connected", "old signals"} else Channel.CHAT
    session, writer = (
        SessionFactory(webchat=webchat, name=TOKEN, email=email, channel=channel),
        WRITERS[name],
    )
    if name in _BEFORE:
        _BEFORE[name](session, operator)
    subject = session.guest if chance.random() < 0.5 else session
    actors: list[Callable[[], Any]] = [partial(writer, session, operator), partial(_erase, subject)]
    chance.shuffle(actors)
    for result in at_once(actors):
        if isinstance(result, Exception) and not isinstance(result, _REFUSALS):
            return f"{type(result).__name__}: {result}"
    if writer is _visit_again:
        # The person returned before the erasure, or is a new guest.
        for again in Session.objects.filter(anonymized_in=None, guest__email=email):
            _erase(again.guest)
    now = Session.objects.get(pk=session.pk)
    if now.anonymized_in is None or Guest.objects.get(pk=session.guest_id).anonymized_in is None:
        return "the erasure is not complete"
    left = sum(
        model.objects.filter(session=session).count() for model in (Message, Attachment, Signal)
    )
    return f"{left} rows are left" if left else ""


def _erase(subject: Any) -> Any:
    return engine.erase(subject, requester=COMMAND)


def _erasures(webchat: WebChat, email: str, chance: random.Random) -> str:
    """Erase a person and one of their two sessions, with up to eight processes at the same time."""
    session, _other = SessionFactory.create_batch(2, webchat=webchat, name=TOKEN, email=email)
    subjects = [chance.choice([session, session.guest]) for _ in range(chance.randint(2, 8))]
    results = at_once([partial(_erase, subject) for subject in [session.guest, *subjects]])
    if wrong := [result for result in results if isinstance(result, Exception)]:
        return f"{type(wrong[0]).__name__}"
    assert session.guest is not None
    records = len(records_of(session, session.guest))
    done = sum(result is not None for result in results)
    here = Session.objects.filter(guest=session.guest).count()
    return "" if records == done <= 2 and not here else f"{records} records of {done} erasures"


def _redo(webchat: WebChat, operator: User, number: int, chance: random.Random) -> str:
    """Lose the commits of two erasures. Complete them, erase, and start a session concurrently."""
    first, second = (
        SessionFactory(webchat=webchat, name=TOKEN, email=f"{n}.{number}@example.com") for n in "ab"
    )
    with crash(), recording.erasing():
        _erase(first)
        _erase(second.guest)
    before = SessionFactory(webchat=webchat, name=TOKEN, email=f"c.{number}@example.com")
    actors: list[Callable[[], Any]] = [redo.carry_out] * chance.randint(1, 3)
    actors += [partial(_erase, chance.choice([first, second, second.guest, before]))]
    actors += [partial(_visit_again, second, operator)]
    chance.shuffle(actors)
    if wrong := [result for result in at_once(actors) if isinstance(result, Exception)]:
        return f"{type(wrong[0]).__name__}: {wrong[0]}"
    left = Session.objects.filter(pk__in=[first.pk, second.pk], anonymized_in=None).count()
    if left or len(records_of(first)) != 1 or len(records_of(second)) != 1:
        return f"{left} sessions are left"
    for again in Session.objects.filter(anonymized_in=None, entered_name=TOKEN):
        _erase(again)
    return ledger_problem()


def _left() -> str:
    """Return the data of all writers that is left in the database and in the stored files."""
    files.delete_pending_files()
    if TOKEN in dump():
        return "a value is left in the database"
    somebody_else = set(Attachment.objects.values_list("file", flat=True))
    return "" if media().keys() == somebody_else else "a file is left"
