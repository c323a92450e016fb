"""Factories of the rows that tests need. They use the product's services where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.db.models import F
from django.utils import timezone
from factory.django import DjangoModelFactory
from factory.random import reseed_random

from anonymization import engine, holds
from anonymization.ledger import recording
from anonymization.ledger.chain import GENESIS, facts_hash
from anonymization.models import ASKED_BY_SOURCE, Erasure, Ground, Hold, HoldGround, Source
from api.models import ApiClient, Right
from api.services import create_client
from sessions_app import consent, conversation, gate, ticket
from sessions_app.matching import match_keys
from sessions_app.models import (
    Attachment,
    Channel,
    ConsentEvent,
    Guest,
    GuestWord,
    Message,
    Party,
    Session,
)
from sessions_app.roles import ROLES
from webchat.consent_html import DraftText
from webchat.models import ConsentVersion, EntryForm, TextKind, WebChat
from webchat.services import store_version

PASSWORD = "correct horse battery staple"


def reset_factories() -> None:
    """Seed the random values and reset the sequences, so that no test depends on the tests before it."""
    reseed_random("mluvii GDPR")
    for made in DjangoModelFactory.__subclasses__():
        made.reset_sequence()


class StaffFactory(DjangoModelFactory[User]):
    """A staff member with one of ROLES, ``stranger`` or ``superuser``. An existing username returns its user."""

    class Meta:
        model = User

    role = "operator"
    username = factory.SelfAttribute("role")

    @classmethod
    def _create(cls, model_class: type[User], *, role: str, username: str) -> User:
        if user := User.objects.filter(username=username).first():
            return user
        rights = {"is_superuser": role == "superuser", "is_staff": role == "superuser"}
        user = User.objects.create_user(username, f"{username}@example.com", PASSWORD, **rights)
        if role in ROLES:
            user.groups.add(Group.objects.get(name=role))
        return user


class WebChatFactory(DjangoModelFactory[WebChat]):
    """A WebChat with the GDPR form for both channels. ``published`` are its versions' texts."""

    class Meta:
        model = WebChat

    name = factory.Sequence(lambda number: f"Shop {number + 1}")
    languages = factory.LazyFunction(lambda: ["en", "cs"])
    entry_form = showroom_form = EntryForm.GDPR
    published = ("We process your data to answer you.",)

    @classmethod
    def _create(
        cls, model_class: type[WebChat], *, published: Sequence[str], **fields: Any
    ) -> WebChat:
        webchat = super()._create(model_class, **fields)
        for wording in published:
            ConsentVersionFactory(webchat=webchat, wording=wording)
        return webchat


class ConsentVersionFactory(DjangoModelFactory[ConsentVersion]):
    """The next published version of a WebChat, with a text in every language, without a record."""

    class Meta:
        model = ConsentVersion

    webchat = factory.SubFactory(WebChatFactory)
    wording = "We process your data to help you."

    @classmethod
    def _create(
        cls, model_class: type[ConsentVersion], *, webchat: WebChat, wording: str
    ) -> ConsentVersion:
        texts = {
            language: DraftText(
                label=f"I agree ({language})", body=f"<p>{wording} ({language})</p>"
            )
            for language in webchat.languages
        }
        current = webchat.current_version()
        number = current.number if current else 0
        return store_version(webchat, texts=texts, based_on=number, published_by=None)


def publish_notice(webchat: WebChat, wording: str = "We answer you.") -> ConsentVersion:
    """Publish the next privacy notice of a WebChat, with a text in every language."""
    texts = {code: DraftText("", f"<p>{wording} ({code})</p>") for code in webchat.languages}
    current = webchat.current_version(TextKind.NOTICE)
    return store_version(
        webchat,
        texts=texts,
        based_on=current.number if current else 0,
        published_by=None,
        kind=TextKind.NOTICE,
    )


def make_ticket(webchat: WebChat, *, channel: str = Channel.CHAT, language: str = "en") -> str:
    """Return the ticket of a form that was shown just now."""
    text = gate.required_text(webchat, channel=channel, language=language)
    return ticket.issue(webchat, channel=channel, language=language, text=text)


class SessionFactory(DjangoModelFactory[Session]):
    """A session that passed the gate. The same person gets the same guest.

    The values from ``operator`` to ``anonymized`` define what happened after the start.
    """

    class Meta:
        model = Session

    class Params:
        showroom = factory.Trait(channel=Channel.AV)
        new_guest = factory.Trait(
            name=factory.Faker("name", locale="cs_CZ"),
            email=factory.Sequence(lambda number: f"guest{number}@example.com"),
        )

    webchat = factory.SubFactory(WebChatFactory)
    channel, language = Channel.CHAT, "en"
    name, email, phone = "Jana Nováková", "jana@example.com", "603 123 456"
    visit = gate.Visit(ip_address="203.0.113.7", user_agent="Mozilla/5.0")
    operator, messages, ended, withdrawn, days_ago, anonymized = None, (), False, False, 0, False

    @classmethod
    def _create(cls, model_class: type[Session], **values: Any) -> Session:
        form = {name: values.pop(name) for name in ("webchat", "channel", "language", "visit")}
        person = {name: values.pop(name) for name in ("name", "email", "phone")}
        session = _pass_the_gate(gate.Entry(**person, consent=True), **form)
        _go_on(session, **values)
        session.refresh_from_db()
        return session


def _pass_the_gate(
    entry: gate.Entry, *, webchat: WebChat, channel: str, language: str, visit: gate.Visit
) -> Session:
    signed = make_ticket(webchat, channel=channel, language=language)
    shown = ticket.read(signed, webchat=webchat, channel=channel)
    return gate.start_session(webchat, ticket=shown, entry=entry, visit=visit)


def _go_on(
    session: Session, *, operator: User | None, messages: Sequence[str], ended: bool, withdrawn: bool,
    days_ago: int, anonymized: bool,
) -> None:  # fmt: skip
    if operator:
        conversation.accept_session(session, operator=operator)
    for text in messages:
        MessageFactory(session=session, text=text)
    if ended:
        conversation.end_session(session, by=Party.VISITOR)
    if withdrawn:
        consent.withdraw_consent(session)
    if days_ago:
        times = ("created_at", "accepted_at", "ended_at", "withdrawn_at")
        earlier = {name: F(name) - timedelta(days=days_ago) for name in times}
        Session.objects.filter(pk=session.pk).update(**earlier)
    if anonymized:
        ErasureFactory(subject=session)


class GuestFactory(DjangoModelFactory[Guest]):
    """A guest with match keys and without a session. No service creates one, so the row is inserted."""

    class Meta:
        model = Guest

    class Params:
        region = "CZ"
        keys = factory.LazyAttribute(
            lambda guest: match_keys(
                name=guest.name, email=guest.email, phone=guest.phone, region=guest.region
            )
        )

    name = email = phone = ""
    name_key = factory.SelfAttribute("keys.name")
    email_key = factory.SelfAttribute("keys.email")
    phone_key = factory.SelfAttribute("keys.phone")

    @classmethod
    def _create(cls, model_class: type[Guest], **values: Any) -> Guest:
        guest = super()._create(model_class, **values)
        GuestWord.objects.bulk_create(GuestWord.of(guest))
        return guest


class MessageFactory(DjangoModelFactory[Message]):
    """A message of a conversation, by default from the visitor."""

    class Meta:
        model = Message

    session = factory.SubFactory(SessionFactory)
    sender, text = Party.VISITOR, "Hello"

    @classmethod
    def _create(cls, model_class: type[Message], *, session: Session, **message: Any) -> Message:
        return conversation.post_message(session, **message)


class AttachmentFactory(DjangoModelFactory[Attachment]):
    """A text file of a conversation, by default from the visitor."""

    class Meta:
        model = Attachment

    session = factory.SubFactory(SessionFactory)
    sender, content = Party.VISITOR, b"x"
    original_name, content_type = "x.txt", "text/plain"

    @classmethod
    def _create(
        cls, model_class: type[Attachment], *, session: Session, content: bytes, **sent: Any
    ) -> Attachment:
        return conversation.attach_file(
            session, upload=ContentFile(content), size=len(content), **sent
        )


class ConsentEventFactory(DjangoModelFactory[ConsentEvent]):
    """A consent event in addition to the one that the gate stored, for example a withdrawal."""

    class Meta:
        model = ConsentEvent

    session = factory.SubFactory(SessionFactory)
    kind = ConsentEvent.Kind.GIVEN
    text = factory.LazyAttribute(
        lambda event: event.session.webchat.current_text(event.session.language)
    )
    day = factory.LazyFunction(timezone.localdate)
    channel = factory.SelfAttribute("session.channel")


class ErasureFactory(DjangoModelFactory[Erasure]):
    """The record of an erasure. The engine erases ``subject``, a session or a guest."""

    class Meta:
        model = Erasure

    subject = factory.SubFactory(SessionFactory)
    door, requested_by, ground = Source.COMMAND, None, Ground.REQUEST

    @classmethod
    def _create(
        cls,
        model_class: type[Erasure],
        *,
        subject: Session | Guest,
        door: Source,
        requested_by: User | None,
        ground: Ground,
    ) -> Any:
        requester = recording.Requester(door, requested_by, ground=ground)
        return engine.erase(subject, requester=requester)


class HoldFactory(DjangoModelFactory[Hold]):
    """A legal hold of a session or guest, by default of a new session."""

    class Meta:
        model = Hold

    subject = factory.SubFactory(SessionFactory, ended=True)
    of_guest, released, overdue = False, False, False
    ground, case_number = HoldGround.LEGAL_CLAIMS, "12 C 34/2026"
    review_on = factory.LazyFunction(lambda: timezone.localdate() + timedelta(days=90))
    set_by = None

    @classmethod
    def _create(
        cls, model_class: type[Hold], *, subject: Session | Guest, of_guest: bool, released: bool,
        overdue: bool, **values: Any,
    ) -> Hold:  # fmt: skip
        row: Any = subject.guest if of_guest else subject  # type: ignore[union-attr]
        hold = holds.set_hold(row, **values)
        if overdue:
            Hold.objects.filter(pk=hold.pk).update(
                review_on=timezone.localdate() - timedelta(days=1)
            )
        if released:
            holds.release_hold(hold, source=Source.COMMAND)
        hold.refresh_from_db()
        return hold


class RecordFactory(DjangoModelFactory[Erasure]):
    """The next record of the ledger, about a session that does not exist, at any time."""

    class Meta:
        model = Erasure

    kind, counts, rows = "sessions_app.Session", factory.LazyFunction(dict), 1
    door, created_at = Source.COMMAND, factory.LazyFunction(timezone.now)
    day = factory.LazyAttribute(lambda record: timezone.localdate(record.created_at))
    requester = factory.LazyAttribute(lambda record: ASKED_BY_SOURCE[Source(record.door)])

    @classmethod
    def _create(cls, model_class: type[Erasure], **values: Any) -> Erasure:
        last = Erasure.objects.order_by("number").last()
        number = last.number + 1 if last else 1
        previous = last.hash if last else GENESIS
        subjects, salt = [f"{number:064x}"], f"{number:064x}"
        record = Erasure(number=number, subjects=subjects, salt=salt, previous=previous, **values)
        record.facts = facts_hash(record.clear_facts, salt)
        record.hash = record.entry.hash
        record.save(force_insert=True)
        return record


class ApiClientFactory(DjangoModelFactory[ApiClient]):
    """A client of the REST API, by default with all rights. ``secret`` is its client secret."""

    class Meta:
        model = ApiClient

    name = factory.Sequence(lambda number: f"Program {number + 1}")
    rights = factory.LazyFunction(lambda: list(Right.values))
    created_by = None

    @classmethod
    def _create(cls, model_class: type[ApiClient], *, name: str, **values: Any) -> ApiClient:
        client, client.secret = create_client(name, **values)
        return client
