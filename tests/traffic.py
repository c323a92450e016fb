"""Simulate the traffic of a small company: uneven WebChats, channels, staff members and days."""

from __future__ import annotations

import math
import random
from datetime import date, datetime, time, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from lib.days import start_of
from sessions_app.models import Channel, ConsentEvent, Party, Session, Status
from tests.factories import StaffFactory, WebChatFactory
from webchat.models import ConsentText, WebChat

#: The distribution of sessions over WebChats, channels, staff members and languages.
WEBCHATS = (0.55, 0.3, 0.15)
CHANNELS = {Channel.CHAT: 0.85, Channel.AV: 0.15}
STAFF = (0.28, 0.24, 0.2, 0.14, 0.09, 0.05)
LANGUAGES = {"cs": 0.75, "en": 0.25}
#: The share of unanswered sessions. The visitor leaves after a while.
MISSED = 0.08
_STARS = {None: 0.75, 5: 0.12, 4: 0.06, 3: 0.03, 2: 0.01, 1: 0.03}


def simulate(
    *, first: date, days: int, per_day: int = 100, precision: str, seed: int = 1
) -> list[int]:
    """Store closed sessions and return their keys, the oldest first.

    The median of answered ones is 7 minutes, with a log-normal distribution. After a third of the
    time, each WebChat publishes the next consent version, on different days.
    """
    chance = random.Random(seed)  # noqa: S311
    staff = [StaffFactory(username=f"operator{number}") for number in range(len(STAFF))]
    webchats = WebChatFactory.create_batch(
        len(WEBCHATS), languages=list(LANGUAGES), published=["One.", "Two."]
    )
    texts = {webchat.pk: _texts_of(webchat) for webchat in webchats}
    sessions = []
    for number in range(days):
        for _ in range(max(1, round(chance.gauss(per_day, per_day / 8)))):
            webchat = chance.choices(webchats, WEBCHATS)[0]
            sessions.append(_session(chance, webchat, staff, first + timedelta(days=number)))
    Session.objects.bulk_create(sessions)
    published = {
        webchat.pk: first + timedelta(days=days // 3 + 2 * place)
        for place, webchat in enumerate(webchats)
    }
    ConsentEvent.objects.bulk_create(
        _event(session, texts[session.webchat_id], published[session.webchat_id], precision)
        for session in sessions
    )
    return [session.pk for session in sessions]


def _texts_of(webchat: WebChat) -> dict[tuple[int, str], ConsentText]:
    texts = ConsentText.objects.filter(version__webchat=webchat).select_related("version")
    return {(text.version.number, text.language): text for text in texts}


def _session(chance: random.Random, webchat: WebChat, staff: list[User], day: date) -> Session:
    at = timezone.make_aware(datetime.combine(day, time(8))) + timedelta(
        seconds=chance.randrange(12 * 3600)
    )
    missed = chance.random() < MISSED
    minutes = chance.expovariate(1 / 2) if missed else chance.lognormvariate(math.log(7), 0.9)
    waited = timedelta(seconds=chance.expovariate(1 / 40))
    return Session(
        webchat=webchat,
        channel=chance.choices(list(CHANNELS), list(CHANNELS.values()))[0],
        language=chance.choices(list(LANGUAGES), list(LANGUAGES.values()))[0],
        status=Status.CLOSED,
        operator=None if missed else chance.choices(staff, STAFF)[0],
        created_at=at,
        accepted_at=None if missed else at + waited,
        ended_at=at + timedelta(minutes=minutes),
        ended_by=chance.choice([Party.VISITOR, Party.OPERATOR]),
        waited=None if missed else waited,
        duration=timedelta(minutes=minutes),
        feedback_stars=chance.choices(list(_STARS), list(_STARS.values()))[0],
        messages_visitor=int(chance.lognormvariate(1.6, 0.7)),
        messages_operator=0 if missed else int(chance.lognormvariate(1.8, 0.7)),
        entry_key=f"{chance.getrandbits(250):064x}",
    )


def _event(
    session: Session, texts: dict[tuple[int, str], ConsentText], published: date, precision: str
) -> ConsentEvent:
    version = 2 if timezone.localdate(session.created_at) >= published else 1
    started = start_of(precision, session.created_at, timezone.get_current_timezone_name())
    return ConsentEvent(
        session=session,
        text=texts[version, session.language],
        kind=ConsentEvent.Kind.GIVEN,
        day=timezone.localdate(started),
        channel=session.channel,
    )
