"""Create the demo data: the data of a company after three months of use.

Rows are written in bulk with times in the past. Each session is as consistent as if the product's
own services had created it: times, counters, one consent to the version that was current on its
day. The engine itself performs the erasures. The same number of sessions gives the same persons and
texts, relative to now. Secrets (rooms, entry keys, file names) are random in each run.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from random import Random
from unittest.mock import patch

from django.conf import settings
from django.core.files.base import ContentFile
from django.utils import timezone

from anonymization import engine
from anonymization.ledger import recording
from anonymization.models import Source
from anonymization.storage import mark_storage
from demo import consent, people
from demo.conversations import DAYS, FEEDBACK, NOTES, Script, scripts
from demo.files import make_file
from demo.people import Person
from demo.shops import BROWSERS, CAMPAIGNS, PAGES, REFERRERS, SHOPS, Shop
from demo.staff import make_staff
from lib.days import start_of
from sessions_app.consent import record_withdrawal
from sessions_app.gate import Entry, chosen_form
from sessions_app.matching import match_keys
from sessions_app.models import (
    Attachment,
    Channel,
    ConsentEvent,
    Guest,
    Message,
    Party,
    Session,
    Status,
    random_guest_id,
)
from webchat.default_texts import DEFAULT_NOTICES
from webchat.models import ConsentText, DataController, EntryForm, TextKind, WebChat
from webchat.services import prepare_publication

DAYS_BACK = 90


@dataclass
class _Rows:
    """Rows that are written together, in the order of their foreign keys."""

    guests: dict[Person, Guest] = field(default_factory=dict)
    lone_guests: list[Guest] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    events: list[ConsentEvent] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    attachments: list[tuple[Attachment, str, bytes]] = field(default_factory=list)


class Builder:
    """Create the demo data of one installation. All times are relative to ``now``."""

    def __init__(self, *, sessions: int, seed: int = 7) -> None:
        self.count = sessions
        self.rng = Random(seed)  # noqa: S311  plausible words, no secrets
        self.now = timezone.now()
        self.rows = _Rows()

    def build(self) -> None:
        """Write all rows, or none if an error occurs."""
        with recording.erasing():
            self._build()

    def _build(self) -> None:
        self.staff = make_staff()
        self.operators = [user for name, user in self.staff.items() if name.startswith("operator")]
        DataController.objects.create(pk=DataController.KEY, **consent.COMPANY)
        self.webchats = [self._make_webchat(shop) for shop in SHOPS]
        self.texts = _texts()
        self.people = people.make_people(self.rng, count=max(12, self.count // 2))
        starts = sorted(self._starts())
        still_open = max(2, self.count // 90)
        for position, start in enumerate(starts):
            # The newest session waits. The one before it began long enough ago to have been taken.
            rank = len(starts) - 1 - position
            self._plan_session(start, open_rank=rank if rank < still_open else -1)
        self._write()
        self._erase()
        self._withdraw()

    # WebChats and consent --------------------------------------------------------------------------------

    def _make_webchat(self, shop: Shop) -> WebChat:
        # No browser shows the rooms of the demo. With the default they would all be ended in half an
        # hour, and the Live view would be empty.
        # The company has confirmed its choice of forms, also of a channel without a form.
        webchat = WebChat.objects.create(
            abandon_minutes=1440, none_confirmed_at=self.now, **shop.settings
        )
        WebChat.objects.filter(pk=webchat.pk).update(created_at=self._at(DAYS_BACK + 20, hour=10))
        drafts = consent.versions(
            shop=webchat.name, officer=shop.officer, languages=webchat.languages
        )
        for number, (days, texts) in enumerate(zip(shop.published, drafts, strict=False), 1):
            publication = prepare_publication(webchat, texts=texts, based_on=number - 1)
            # This is before the first session of the day, so each day has one current version.
            publication.store(
                published_at=self._at(days, hour=6, minute=40 + number),
                published_by=self.staff["administrator"],
            )
        if shop.notice_published:
            notices = {language: DEFAULT_NOTICES[language] for language in webchat.languages}
            publication = prepare_publication(
                webchat, texts=notices, based_on=0, kind=TextKind.NOTICE
            )
            publication.store(
                published_at=self._at(shop.notice_published, hour=6),
                published_by=self.staff["administrator"],
            )
        return webchat

    def _text_on(self, webchat: WebChat, language: str, moment: datetime) -> ConsentText:
        return next(
            text
            for published_at, text in reversed(self.texts[webchat.pk, language])
            if published_at <= moment
        )

    # Sessions --------------------------------------------------------------------------------------------

    def _starts(self) -> Iterator[datetime]:
        """Yield the starts of all sessions: in office hours, fewer at weekends, a few open now."""
        still_open = max(2, self.count // 90)
        for rank in range(still_open):
            yield self.now - timedelta(seconds=40 + rank * 170)
        latest = self.now - timedelta(hours=1)
        remaining = self.count - still_open
        while remaining:
            day = self.rng.randrange(DAYS_BACK)
            start = self._at(day, hour=self.rng.choice(_HOURS), minute=self.rng.randrange(60))
            start += timedelta(seconds=self.rng.randrange(60))
            weekend = timezone.localtime(start).weekday() >= 5
            if start < latest and not (weekend and self.rng.random() < 0.7):
                remaining -= 1
                yield start

    def _plan_session(self, start: datetime, *, open_rank: int) -> None:
        """Plan one session with all related rows. A rank of 0 or more means that it is open now."""
        rng = self.rng
        position = rng.choices(range(len(SHOPS)), weights=[shop.share for shop in SHOPS])[0]
        shop, webchat = SHOPS[position], self.webchats[position]
        person = self._person(webchat)
        language = person.language if person.language in webchat.languages else "en"
        channel = rng.choices(list(shop.channels), weights=list(shop.channels.values()))[0]
        gdpr = chosen_form(webchat, channel) == EntryForm.GDPR
        entry = self._entry(person, complete=gdpr)
        session = Session(
            webchat=webchat,
            guest=self._guest(person, entry, webchat, start),
            channel=channel,
            language=language,
            created_at=start,
            **entry.columns,
            entry_key=_random_digest(),
            room_key=_random_digest(),
            **self._visit(webchat),
        )
        script = rng.choice(scripts(shop.theme, language))
        self._converse(session, script, person, open_rank)
        self.rows.sessions.append(session)
        if gdpr or channel != Channel.PHONE:
            text = self._text_on(webchat, language, start)
            day = timezone.localdate(
                start_of(settings.ERASURE_TIME_PRECISION, start, settings.TIME_ZONE)
            )
            self.rows.events.append(
                ConsentEvent(
                    session=session,
                    text=text,
                    kind=ConsentEvent.Kind.GIVEN if gdpr else ConsentEvent.Kind.INFORMED,
                    day=day,
                    channel=channel,
                )
            )

    def _person(self, webchat: WebChat) -> Person:
        """Return a visitor of the WebChat. The first visitors of the list return more often."""
        position = self.webchats.index(webchat)
        mine = self.people[position :: len(self.webchats)]
        return mine[int(len(mine) * self.rng.random() ** 1.6)]

    def _entry(self, person: Person, *, complete: bool) -> Entry:
        """Return what the person entered. Fields of the standard form may be empty."""
        rng = self.rng
        phone = people.spelled(person.phone, rng)
        if complete or rng.random() < 0.4:
            return Entry(name=person.name, email=person.email, phone=phone, consent=complete)
        return rng.choice(
            [Entry(), Entry(name=person.first_name), Entry(name=person.name, email=person.email)]
        )

    def _guest(
        self, person: Person, entry: Entry, webchat: WebChat, start: datetime
    ) -> Guest | None:
        """Return the guest as the gate would: an existing one, a new one, or None."""
        if not (entry.name or entry.email or entry.phone):
            return None
        keys = match_keys(
            name=entry.name, email=entry.email, phone=entry.phone, region=webchat.phone_region
        )
        if keys.complete and person in self.rows.guests:
            return self.rows.guests[person]
        guest = Guest(
            name=entry.name,
            email=entry.email,
            phone=entry.phone,
            name_key=keys.name,
            email_key=keys.email,
            phone_key=keys.phone,
            created_at=start,
        )
        if keys.complete:
            self.rows.guests[person] = guest
        else:
            self.rows.lone_guests.append(guest)
        return guest

    def _visit(self, webchat: WebChat) -> dict[str, object]:
        rng = self.rng
        address = rng.choice(["192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "2001:db8::{}"])
        params: dict[str, str] = {}
        if rng.random() < 0.5:
            params["utm_campaign"] = rng.choice(CAMPAIGNS)
        if rng.random() < 0.3:
            params["customer_number"] = f"C-{rng.randrange(10_000, 99_999)}"
        return {
            "ip_address": address.format(rng.randrange(1, 255)),
            "user_agent": rng.choice(BROWSERS),
            "landing_page": f"{webchat.origins[0]}/{rng.choice(PAGES)}",
            "referrer": rng.choice(REFERRERS),
            "params": params,
        }

    # Conversations ---------------------------------------------------------------------------------------

    def _converse(self, session: Session, script: Script, person: Person, open_rank: int) -> None:
        """Create the conversation with its times, its end and its counters."""
        rng = self.rng
        waits = open_rank >= 0 and open_rank % 2 == 0
        abandoned = open_rank < 0 and rng.random() < 0.06
        lines = script.lines[:1] if waits or abandoned else script.lines
        at = session.created_at
        words = self._words(session.language, person)
        for who, text in lines:
            if who == "o" and session.operator is None:
                at = self._accept(session, at)
            at += timedelta(seconds=rng.randrange(8, 45))
            if open_rank >= 0 and at >= self.now:
                break
            self._say(session, who, text.format_map(words), at)
        if open_rank >= 0:
            return
        if not abandoned and rng.random() < 0.1:
            at += timedelta(seconds=15)
            self._attach(session, at, words["order"])
        self._end(session, at + timedelta(seconds=rng.randrange(5, 90)), abandoned=abandoned)
        if not abandoned:
            self._sum_up(session, script)

    def _words(self, language: str, person: Person) -> dict[str, str]:
        rng = self.rng
        amount = rng.randrange(12, 400) * 10
        return {
            "order": f"2026-{rng.randrange(10_000, 99_999)}",
            "first": person.first_name,
            "email": person.email,
            "phone": person.phone,
            "day": rng.choice(DAYS[language]),
            "amount": f"{amount} Kč" if language == "cs" else f"{amount // 10} €",
        }

    def _accept(self, session: Session, at: datetime) -> datetime:
        accepted_at = min(at + timedelta(seconds=self.rng.randrange(3, 120)), self.now)
        session.operator = self.rng.choice(self.operators)
        session.accepted_at = accepted_at
        session.waited = accepted_at - session.created_at
        session.status = Status.ACTIVE
        return accepted_at

    def _say(self, session: Session, who: str, text: str, at: datetime) -> None:
        by_operator = who == "o"
        self.rows.messages.append(
            Message(
                session=session,
                at=at,
                sender=Party.OPERATOR if by_operator else Party.VISITOR,
                author=session.operator if by_operator else None,
                text=text,
            )
        )
        if by_operator:
            session.messages_operator += 1
        else:
            session.messages_visitor += 1

    def _attach(self, session: Session, at: datetime, order: str) -> None:
        file = make_file(self.rng, language=session.language, order=order)
        attachment = Attachment(
            session=session,
            at=at,
            sender=Party.VISITOR,
            original_name=file.name,
            content_type=file.content_type,
            size=len(file.content),
        )
        self.rows.attachments.append((attachment, file.name, file.content))
        session.attachments_count += 1

    def _end(self, session: Session, at: datetime, *, abandoned: bool) -> None:
        session.status = Status.CLOSED
        session.ended_at = at
        session.ended_by = Party.VISITOR if abandoned or self.rng.random() < 0.6 else Party.OPERATOR
        session.duration = at - session.created_at

    def _sum_up(self, session: Session, script: Script) -> None:
        """Add what is stored after a conversation: the operator's result and note, and feedback."""
        rng = self.rng
        if rng.random() < 0.8:
            session.result = script.result
        if rng.random() < 0.25:
            session.note = rng.choice(NOTES[session.language])
        if rng.random() < 0.35:
            session.feedback_stars = rng.choices([5, 4, 3, 2, 1], weights=[50, 28, 12, 6, 4])[0]
            if rng.random() < 0.4:
                session.feedback_text = rng.choice(FEEDBACK[session.language])

    # Writing ---------------------------------------------------------------------------------------------

    def _write(self) -> None:
        rows = self.rows
        Guest.objects.bulk_create(_with_free_ids([*rows.guests.values(), *rows.lone_guests]))
        for session in rows.sessions:
            # This sets session.guest_id to the primary key, which the guest has only now.
            session.guest = session.guest
        Session.objects.bulk_create(rows.sessions, batch_size=200)
        attachments = [attachment for attachment, _name, _content in rows.attachments]
        belonging: list[ConsentEvent | Message | Attachment] = [
            *rows.events,
            *rows.messages,
            *attachments,
        ]
        for row in belonging:
            # This sets row.session_id, as above.
            row.session = row.session
        ConsentEvent.objects.bulk_create(rows.events)
        Message.objects.bulk_create(rows.messages, batch_size=1000)
        mark_storage()
        for attachment, name, content in rows.attachments:
            attachment.file.save(name, ContentFile(content), save=False)
        Attachment.objects.bulk_create(attachments)

    def _erase(self) -> None:
        """Anonymize a few guests with all their sessions, and single sessions of others.

        The erasures have different sources.
        """
        sessions_of: dict[int, list[Session]] = defaultdict(list)
        for session in self.rows.sessions:
            if session.guest_id and session.status == Status.CLOSED:
                sessions_of[session.guest_id].append(session)
        open_now = {s.guest_id for s in self.rows.sessions if s.status != Status.CLOSED}
        returning = [
            pk for pk, found in sessions_of.items() if len(found) > 1 and pk not in open_now
        ]
        guests = self.rng.sample(returning, min(len(returning), max(1, self.count // 150)))
        others = [pk for pk in returning if pk not in guests]
        subjects: dict[int, Guest | Session] = {pk: Guest.objects.get(pk=pk) for pk in guests}
        for pk in self.rng.sample(others, min(len(others), max(1, self.count // 24))):
            subjects[pk] = self.rng.choice(sessions_of[pk])
        times = {pk: self._after(sessions_of[pk]) for pk in subjects}
        # The erasures are in order of time, so that the ledger's numbers increase with its times.
        for pk in sorted(subjects, key=times.__getitem__):
            # The engine always reads the clock. Therefore the clock is set back here.
            with patch.object(timezone, "now", return_value=times[pk]):
                engine.erase(subjects[pk], requester=self._requester())

    def _withdraw(self) -> None:
        """Let a few persons withdraw their consent within the last 20 days.

        Their sessions wait for the data protection officer.
        """
        since = self.now - timedelta(days=20)
        ended = Session.objects.filter(
            anonymized_in=None, status=Status.CLOSED, ended_at__gte=since
        )
        given = ConsentEvent.Kind.GIVEN
        consented = list(ended.filter(consent_events__kind=given).order_by("pk"))
        for session in self.rng.sample(consented, min(len(consented), max(1, self.count // 100))):
            with patch.object(timezone, "now", return_value=self._after([session])):
                record_withdrawal(session)

    def _after(self, sessions: list[Session]) -> datetime:
        """Return a moment between the end of the last of these sessions and now."""
        last = max(session.ended_at or self.now for session in sessions)
        return last + (self.now - last) * self.rng.random()

    def _requester(self) -> recording.Requester:
        name, door = self.rng.choice(
            [
                ("support", Source.PAGE),
                ("support", Source.PAGE),
                ("officer", Source.PAGE),
                ("admin", Source.ADMIN),
                ("", Source.COMMAND),
            ]
        )
        return recording.Requester(door, self.staff[name] if name else None)

    def _at(self, days_ago: int, *, hour: int, minute: int = 0) -> datetime:
        """Return a local time on the day that many days before today."""
        day: date = timezone.localdate(self.now) - timedelta(days=days_ago)
        return timezone.make_aware(datetime.combine(day, time(hour, minute)))


_HOURS = [8, 9, 9, 10, 10, 10, 11, 11, 12, 13, 13, 14, 14, 15, 15, 16, 17, 18, 19, 20]


def _texts() -> dict[tuple[int, str], list[tuple[datetime, ConsentText]]]:
    """Return the published texts by WebChat and language, the oldest first."""
    found: dict[tuple[int, str], list[tuple[datetime, ConsentText]]] = defaultdict(list)
    texts = ConsentText.objects.select_related("version").order_by("version__number")
    for text in texts:
        found[text.version.webchat_id, text.language].append((text.version.published_at, text))
    return found


def _with_free_ids(guests: list[Guest]) -> list[Guest]:
    """Draw another random ID for each guest whose ID is taken, and return the guests."""
    taken = set(Guest.objects.values_list("pk", flat=True))
    for guest in guests:
        while guest.pk in taken:
            guest.pk = random_guest_id()
        taken.add(guest.pk)
    return guests


def _random_digest() -> str:
    return sha256(secrets.token_bytes(32)).hexdigest()
