"""Guests, their sessions, the messages and files of a conversation, and the evidence of consent."""

from __future__ import annotations

import secrets
import uuid
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connections, models
from django.db.models import BooleanField, Case, ExpressionWrapper, Q, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from anonymization.held import held, held_among
from lib.days import RoundedDay, start_of_day
from sessions_app.readings import index_words
from webchat.models import MAX_RETENTION_DAYS, ConsentText, WebChat


class Channel(models.TextChoices):
    CHAT = "chat", _("Chat")
    AV = "av", _("Video call")
    PHONE = "phone", _("Phone")


class Status(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    ACTIVE = "active", _("Active")
    CLOSED = "closed", _("Closed")


class Party(models.TextChoices):
    """The party that did something in a conversation."""

    VISITOR = "visitor", _("Visitor")
    OPERATOR = "operator", _("Operator")
    SYSTEM = "system", _("System")


def as_known(moment: datetime | None, *, anonymized: bool) -> datetime | date | None:
    """Return a time as precisely as it is known.

    The erasure leaves only a rounded day in an anonymized record.
    """
    return RoundedDay.of(timezone.localdate(moment)) if moment and anonymized else moment


#: The number of Guest IDs, and the first one. All of them have ten digits.
_GUEST_IDS, _FIRST_GUEST_ID = 9_000_000_000, 1_000_000_000


def random_guest_id() -> int:
    """Return a random Guest ID, which another guest may already have.

    A sequential ID would reveal the age of the guest: the sessions that were created next to it
    would include the guest's first session, also after an anonymization.
    """
    return _FIRST_GUEST_ID + secrets.randbelow(_GUEST_IDS)


class Guest(models.Model):
    """A person who was in touch. The primary key is the Guest ID, a random number.

    After anonymization the row is kept as an anonymized record.

    The match keys serve to find a person, not to display one: see ``sessions_app/matching.py``.
    There is no unique constraint over them, because PostgreSQL logs the keys of a violation.
    """

    # An automatic field, because SQLite stores its rows in the order of this key. With any other
    # type it would store them in the order of their creation.
    id = models.BigAutoField("ID", primary_key=True, default=random_guest_id)
    #: NULL after the anonymization. The ledger keeps its hash.
    uid = models.UUIDField(
        _("random identifier"), unique=True, null=True, default=uuid.uuid4, editable=False
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=50, blank=True)
    name_key = models.CharField(_("name as compared"), max_length=400, blank=True)
    email_key = models.CharField(_("e-mail as compared"), max_length=400, blank=True)
    phone_key = models.CharField(_("phone as compared"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("first seen at"), default=timezone.now)
    #: The first day of the period (ERASURE_TIME_PRECISION) in which the row was anonymized.
    anonymized_in = models.DateField(_("anonymized in"), null=True, blank=True)

    class Meta:
        verbose_name = _("guest")
        verbose_name_plural = _("guests")
        # A stable order of pages. It does not reveal which guest is older.
        ordering = ("pk",)
        default_permissions = ()
        permissions = (("anonymize_guest", "Can anonymize a guest"),)
        indexes = (
            # Find a person: one index lookup per key. Names are found by their words (GuestWord).
            models.Index(fields=("email_key",), name="guest_email_key", condition=~Q(email_key="")),
            models.Index(fields=("phone_key",), name="guest_phone_key", condition=~Q(phone_key="")),
        )

    def __str__(self) -> str:
        return f"Guest {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("guest", args=[self.pk])

    @cached_property
    def is_held(self) -> bool:
        """Return whether a legal hold rests on the guest."""
        return bool(held_among(Guest, [self.pk]))

    @property
    def anonymized_period(self) -> RoundedDay | None:
        return RoundedDay.of(self.anonymized_in) if self.anonymized_in else None

    @property
    def first_seen(self) -> datetime | date | None:
        return as_known(self.created_at, anonymized=self.anonymized_in is not None)


class ReceiptTerms(models.Model):
    """What the receipt of a consent states about the companies and the processing.

    It is stored at the first consent after one of these statements changed, so that a receipt never
    changes later. Append-only, which the database enforces. It contains nothing about visitors, and
    no time, because that would be the time of a visitor's consent.
    """

    webchat = models.ForeignKey(
        WebChat, models.PROTECT, related_name="receipt_terms", verbose_name="WebChat"
    )
    #: JSON, see ``receipt_terms``. Text, because PostgreSQL does not keep the order of a JSON value.
    content = models.TextField(_("content"))
    #: The day of the upgrade that introduced receipt terms, for consents from before. Otherwise NULL.
    recorded_on = models.DateField(_("recorded on"), null=True, blank=True)

    class Meta:
        verbose_name = _("terms of receipts")
        verbose_name_plural = _("terms of receipts")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Receipt terms {self.pk}"


class GuestWordQuerySet(models.QuerySet["GuestWord"]):
    def beginning(self, word: str) -> GuestWordQuerySet:
        """Return the words that begin with this one, by the index."""
        if connections[self.db].vendor == "postgresql":
            return self.filter(word__startswith=word)
        # SQLite's LIKE ignores case and therefore does not use the index. Its order is by bytes.
        return self.filter(word__gte=word, word__lt=word + chr(0x10FFFF))


class GuestWord(models.Model):
    """A word of a guest's name. A family name, or its beginning, finds the guest by it.

    The words have no order and no title is left out: see ``sessions_app/readings.py``.
    """

    guest = models.ForeignKey(
        Guest, models.CASCADE, related_name="words", verbose_name=_("guest"), db_index=False
    )
    word = models.CharField(_("word as compared"), max_length=60)

    objects = GuestWordQuerySet.as_manager()

    class Meta:
        verbose_name = _("word of a name")
        verbose_name_plural = _("words of names")
        default_permissions = ()
        indexes = (
            # On PostgreSQL these operator classes find the beginning of a word in any collation.
            models.Index(
                fields=("word", "guest"),
                name="guestword_word",
                opclasses=("varchar_pattern_ops", "int8_ops"),
            ),
            # The words of one guest: for a second word of a search, and for the erasure.
            models.Index(
                fields=("guest", "word"),
                name="guestword_guest",
                opclasses=("int8_ops", "varchar_pattern_ops"),
            ),
        )

    def __str__(self) -> str:
        return f"Word {self.pk}"

    @classmethod
    def of(cls, guest: Guest) -> list[GuestWord]:
        """Return the words of the guest's name, not saved."""
        return [cls(guest_id=guest.pk, word=word) for word in index_words(guest.name)]


def oldest_kept(days: int, *, on: date) -> datetime:
    """Return the earliest end of a session that is kept on day ``on`` for ``days`` days."""
    return start_of_day(on - timedelta(days=min(days, MAX_RETENTION_DAYS)))


#: The time at which a conversation ended, or its start if it has no end.
_END = Coalesce("ended_at", "created_at")


class SessionQuerySet(models.QuerySet["Session"]):
    def expired(self, *, days: int, on: date) -> SessionQuerySet:
        """Return the closed, not anonymized sessions older than ``days`` days on day ``on``.

        The age is counted in local days. A session that ended (or, without an end, started) on
        day D expires when day D + ``days`` is over.
        """
        return self._closed().filter(LessThan(_END, oldest_kept(days, on=on)))

    def first_expired(
        self, *, days: int, on: date, after: tuple[datetime, int] | None, limit: int
    ) -> list[tuple[datetime, int]]:
        """Return end and key of the first expired sessions after a position, earliest end first."""
        sessions = self._closed()
        if after is not None:
            # The second condition implies the first one, which lets the database use the index.
            later = Q(GreaterThan(_END, after[0])) | Q(Exact(_END, after[0]), pk__gt=after[1])
            sessions = sessions.filter(GreaterThanOrEqual(_END, after[0])).filter(later)
        # The end of the period is not a condition of the query. With such a range PostgreSQL
        # expects few rows and would read and sort all of them each time.
        before = oldest_kept(days, on=on)
        found = sessions.order_by(_END, "pk").values_list(_END, "pk")[:limit]
        return [(end, pk) for end, pk in found if end < before]

    def withdrawn(self) -> SessionQuerySet:
        """Return the sessions with withdrawn consent that have not been anonymized since."""
        return self.filter(withdrawn_at__isnull=False)

    def count_withdrawn(self) -> int:
        """Return the number of pending withdrawals, capped at 1,000.

        Every page shows it in the menu.
        """
        return self.withdrawn()[:1000].count()

    def waiting_first(self, *, newest: bool = False) -> SessionQuerySet:
        """Order waiting conversations first, then active ones, each by age.

        The oldest are first, or with ``newest`` the newest ones.
        """
        age = ("-created_at", "-pk") if newest else ("created_at", "pk")
        return self.order_by(Case(When(status=Status.WAITING, then=0), default=1), *age)

    def with_holds(self) -> SessionQuerySet:
        """Set ``is_held`` of each session in the same query."""
        return self.annotate(is_held=ExpressionWrapper(held(Session), BooleanField()))

    def without_holds(self) -> SessionQuerySet:
        """Return the sessions on which no legal hold rests, neither their own nor their guest's."""
        return self.exclude(held(Session))

    def _closed(self) -> SessionQuerySet:
        return self.filter(anonymized_in=None, status=Status.CLOSED)


class Session(models.Model):
    """One chat, video call or phone call. The primary key is the Session ID."""

    #: NULL after the anonymization. The ledger keeps its hash.
    uid = models.UUIDField(
        _("random identifier"), unique=True, null=True, default=uuid.uuid4, editable=False
    )
    webchat = models.ForeignKey(
        WebChat, models.PROTECT, related_name="sessions", verbose_name="WebChat", db_index=False
    )
    guest = models.ForeignKey(
        Guest,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="sessions",
        verbose_name=_("guest"),
        db_index=False,
    )
    channel = models.CharField(_("channel"), max_length=10, choices=Channel)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES)
    created_at = models.DateTimeField(_("started at"), default=timezone.now)
    accepted_at = models.DateTimeField(_("taken at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    ended_by = models.CharField(_("ended by"), max_length=10, choices=Party, blank=True)
    waited = models.DurationField(_("time waited"), null=True, blank=True)
    duration = models.DurationField(_("duration"), null=True, blank=True)
    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("operator"),
        db_index=False,
    )
    entered_name = models.CharField(_("entered name"), max_length=200, blank=True)
    entered_email = models.CharField(_("entered e-mail"), max_length=254, blank=True)
    entered_phone = models.CharField(_("entered phone"), max_length=50, blank=True)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("browser"), max_length=500, blank=True)
    landing_page = models.CharField(_("landing page"), max_length=2000, blank=True)
    referrer = models.CharField(_("referrer"), max_length=2000, blank=True)
    note = models.TextField(_("note"), blank=True)
    result = models.CharField(_("result"), max_length=200, blank=True)
    feedback_stars = models.PositiveSmallIntegerField(_("stars"), null=True, blank=True)
    feedback_text = models.TextField(_("feedback"), blank=True)
    messages_visitor = models.PositiveIntegerField(
        _("number of messages of the visitor"), default=0
    )
    messages_operator = models.PositiveIntegerField(
        _("number of messages of the operator"), default=0
    )
    attachments_count = models.PositiveIntegerField(_("number of files"), default=0)
    #: SHA-256 of the nonce of the entry form's ticket. One ticket never creates two sessions.
    entry_key = models.CharField(
        _("hash of the form's ticket"), max_length=64, unique=True, editable=False
    )
    #: SHA-256 of the room's secret. NULL if the room link is revoked.
    room_key = models.CharField(  # noqa: DJ001  unique
        _("hash of the room's secret"), max_length=64, unique=True, null=True, editable=False
    )
    #: SHA-256 of the secret of the person's page "My consent". NULL if nothing is left to show.
    #: Sessions that are older than that page have none; their room's secret opens the page.
    consent_key = models.CharField(  # noqa: DJ001  unique
        _("hash of the secret of my consent"), max_length=64, unique=True, null=True, editable=False
    )
    #: What the receipt of the consent states. NULL without consent, and for consents that are older
    #: than receipt terms.
    receipt_terms = models.ForeignKey(
        ReceiptTerms,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("terms of the receipt"),
        db_index=False,
    )
    #: Exact while the session contains personal data, because the answer is due within a month.
    #: After anonymization only the day of the consent event is kept.
    withdrawn_at = models.DateTimeField(_("consent withdrawn at"), null=True, blank=True)
    #: The person asked, with the withdrawal, for the erasure of all of their data.
    wants_erasure = models.BooleanField(
        _("wants all data deleted"), default=False, db_default=False, editable=False
    )
    #: The first day of the period (ERASURE_TIME_PRECISION) in which the row was anonymized.
    anonymized_in = models.DateField(_("anonymized in"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ("-created_at", "-pk")
        default_permissions = ()
        permissions = (
            ("see_sessions", "Can see sessions"),
            ("see_personal_data", "Can see personal data"),
            ("answer", "Can answer visitors"),
            ("record_withdrawal", "Can record a withdrawal of consent"),
            ("anonymize_session", "Can anonymize a session"),
            ("export_sessions", "Can export sessions"),
        )
        indexes = (
            # The Sessions table: newest first, paged by key, also within one WebChat and one period.
            models.Index(fields=("-created_at", "-id"), name="session_newest"),
            models.Index(fields=("webchat", "-created_at", "-id"), name="session_webchat_newest"),
            models.Index(fields=("operator", "-created_at", "-id"), name="session_operator_newest"),
            # A rare channel, in all WebChats or in one. Without these indexes the database would
            # read the whole table, newest first, to find a few rows.
            models.Index(fields=("channel", "-created_at", "-id"), name="session_channel_newest"),
            models.Index(
                fields=("webchat", "channel", "-created_at", "-id"), name="session_webchat_channel"
            ),
            # The sessions of a guest, and the erasure of a guest.
            models.Index(fields=("guest",), name="session_guest", condition=Q(guest__isnull=False)),
            # The filter "anonymized".
            models.Index(
                fields=("-created_at", "-id"),
                name="session_anonymized",
                condition=Q(anonymized_in__isnull=False),
            ),
            # The sessions whose retention period is over, the earliest end first.
            models.Index(
                "webchat",
                Coalesce("ended_at", "created_at"),
                "id",
                name="session_retention",
                condition=Q(anonymized_in__isnull=True, status="closed"),
            ),
            # The open conversations. They are few, however long the history is.
            models.Index(
                fields=("status", "-created_at", "-id"),
                name="session_open",
                condition=~Q(status="closed"),
            ),
            # Pending withdrawals, the oldest first. An erasure clears withdrawn_at.
            models.Index(
                fields=("withdrawn_at", "id"),
                name="session_withdrawn",
                condition=Q(withdrawn_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"Session {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("session", args=[self.pk])

    @property
    def anonymized_period(self) -> RoundedDay | None:
        return RoundedDay.of(self.anonymized_in) if self.anonymized_in else None

    @property
    def started(self) -> datetime | date | None:
        return as_known(self.created_at, anonymized=self.anonymized_in is not None)

    @property
    def ended(self) -> datetime | date | None:
        return as_known(self.ended_at, anonymized=self.anonymized_in is not None)

    @property
    def expires_on(self) -> date | None:
        """Return the day on which the retention period anonymizes the session.

        None if the session is open, is already anonymized, or is kept without a time limit.
        """
        days = self.webchat.retention_days
        if days is None or self.is_open or self.anonymized_in is not None:
            return None
        return timezone.localdate(self.ended_at or self.created_at) + timedelta(
            days=min(days, MAX_RETENTION_DAYS) + 1
        )

    @property
    def is_abandoned(self) -> bool:
        """Return whether the conversation ended by itself, because it was abandoned."""
        return not self.is_open and self.ended_by == Party.SYSTEM

    @property
    def is_open(self) -> bool:
        return self.status != Status.CLOSED

    @cached_property
    def is_held(self) -> bool:
        """Return whether a legal hold rests on the session or its guest.

        Sets of sessions read it with ``with_holds``.
        """
        return bool(held_among(Session, [self.pk]))

    @property
    def consented_text(self) -> ConsentText | None:
        """Return the text that the visitor consented to, or None if no consent was required."""
        event = self.consent_given
        return event.text if event else None

    @property
    def consent_given(self) -> ConsentEvent | None:
        """Return the consent event with its text, or None if no consent was required."""
        given = self.consent_events.filter(kind=ConsentEvent.Kind.GIVEN)
        return given.select_related("text__version__webchat").first()

    @property
    def consent_withdrawn(self) -> ConsentEvent | None:
        """Return the event of the withdrawal, or None if the consent was not withdrawn."""
        return self.consent_events.filter(kind=ConsentEvent.Kind.WITHDRAWN).first()

    @property
    def notice_shown(self) -> ConsentText | None:
        """Return the privacy notice that the entry form showed, or None."""
        shown = self.consent_events.filter(kind=ConsentEvent.Kind.INFORMED)
        event = shown.select_related("text__version__webchat").first()
        return event.text if event else None

    @property
    def messages_count(self) -> int:
        return self.messages_visitor + self.messages_operator


class Message(models.Model):
    """A message of one side."""

    session = models.ForeignKey(
        Session, models.PROTECT, related_name="messages", verbose_name=_("session")
    )
    at = models.DateTimeField(_("sent at"), default=timezone.now)
    sender = models.CharField(_("sender"), max_length=10, choices=Party)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
        db_index=False,
    )
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("at", "pk")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Message {self.pk}"


def random_file_name(attachment: Attachment | None, original_name: str) -> str:
    """Return a random stored name, without the original name, extension or session."""
    token = secrets.token_hex(16)
    return f"attachments/{token[:2]}/{token[2:]}"


class Attachment(models.Model):
    """A file that one side sent."""

    session = models.ForeignKey(
        Session, models.PROTECT, related_name="attachments", verbose_name=_("session")
    )
    at = models.DateTimeField(_("sent at"), default=timezone.now)
    sender = models.CharField(_("sender"), max_length=10, choices=Party)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
        db_index=False,
    )
    file = models.FileField(_("file"), upload_to=random_file_name)
    original_name = models.CharField(_("file name"), max_length=255)
    content_type = models.CharField(_("type"), max_length=100)
    size = models.PositiveBigIntegerField(_("size in bytes"))

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ("at", "pk")
        default_permissions = ()
        indexes = (
            # The sweep of files without a row looks up 500 stored names at a time.
            models.Index(fields=("file",), name="attachment_file"),
        )

    def __str__(self) -> str:
        return f"Attachment {self.pk}"


class Signal(models.Model):
    """A message between the two browsers that lets a call connect. It is stored only in transit.

    A description of the connection (SDP) or a way to reach the sender (an ICE candidate) contains
    IP addresses. A signal is deleted when the other side is connected, and at the end of the
    conversation. Otherwise it is deleted within ten minutes, provided that ``delete_old_signals``
    runs in cron or that calls take place: see ``calls.delete_old_signals``.
    """

    class Kind(models.TextChoices):
        READY = "ready"
        OFFER = "offer"
        ANSWER = "answer"
        CANDIDATE = "candidate"
        BYE = "bye"

    session = models.ForeignKey(
        Session, models.PROTECT, related_name="signals", verbose_name=_("session")
    )
    at = models.DateTimeField(_("sent at"), default=timezone.now)
    sender = models.CharField(_("sender"), max_length=10, choices=Party)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    #: JSON that static/conversation/call.js wrote for the same script on the other side.
    body = models.TextField(_("content"))

    class Meta:
        verbose_name = _("signal of a call")
        verbose_name_plural = _("signals of calls")
        ordering = ("pk",)
        default_permissions = ()
        indexes = (
            # The old signals of all sessions.
            models.Index(fields=("at",), name="signal_at"),
        )

    def __str__(self) -> str:
        return f"Signal {self.pk}"


class LifeSign(models.Model):
    """The last time at which a browser showed the visitor's room of an open conversation.

    It is written at most once a minute, and deleted at the end of the conversation. See
    ``abandonment``.
    """

    session = models.OneToOneField(
        Session,
        models.PROTECT,
        primary_key=True,
        related_name="life_sign",
        verbose_name=_("session"),
    )
    at = models.DateTimeField(_("last life sign"))

    class Meta:
        verbose_name = _("life sign of a room")
        verbose_name_plural = _("life signs of rooms")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Life sign {self.pk}"


class ConsentEvent(models.Model):
    """The event that consent to one text was given or withdrawn, or that a notice was shown.

    Append-only, which the database enforces. It contains the day (rounded to the setting
    ERASURE_TIME_PRECISION) but no time and no identity. Therefore it can be kept when the session
    is anonymized, as evidence of consent (GDPR Art. 7(1)) that identifies nobody.
    """

    class Kind(models.TextChoices):
        GIVEN = "given", _("Given")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        #: The form showed a privacy notice and asked for no consent.
        INFORMED = "informed", _("Informed")

    class Via(models.TextChoices):
        """The way in which consent was withdrawn."""

        LINK = "link", _("by the person's link")
        CONVERSATION = "conversation", _("in the conversation, recorded by staff")

    session = models.ForeignKey(
        Session, models.PROTECT, related_name="consent_events", verbose_name=_("session")
    )
    text = models.ForeignKey(
        ConsentText,
        models.PROTECT,
        related_name="events",
        verbose_name=_("consent text"),
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    day = models.DateField(_("day"))
    channel = models.CharField(_("channel"), max_length=10, choices=Channel)
    #: Empty for consent that was given, which is always done in the entry form.
    via = models.CharField(
        _("way of the withdrawal"),
        max_length=12,
        choices=Via,
        blank=True,
        # During a migration, servers of the previous release still store events.
        db_default="",
    )
    #: HMAC-SHA-256 of the other values (``evidence.signatures``). Empty in an event that an earlier
    #: release stored.
    hmac = models.CharField("HMAC", max_length=64, blank=True, db_default="", editable=False)

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        ordering = ("pk",)
        default_permissions = ()
        indexes = (
            # The Sessions table filtered by consent version, and the number of sessions per
            # version.
            models.Index(fields=("text", "kind", "session"), name="consent_event_text"),
            # The filter "consent withdrawn", which matches few sessions.
            models.Index(
                fields=("session",), name="consent_event_withdrawn", condition=Q(kind="withdrawn")
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("session", "kind"), name="consent_event_once"),
        )

    def __str__(self) -> str:
        return f"Consent event {self.pk}"

    @property
    def known_time(self) -> datetime | RoundedDay:
        """Return the time as precisely as it is known: exact while the session is identified."""
        withdrawn = self.kind == self.Kind.WITHDRAWN
        exact = self.session.withdrawn_at if withdrawn else self.session.created_at
        anonymized = self.session.anonymized_in is not None
        return RoundedDay.of(self.day) if anonymized or exact is None else exact


class EvidenceAnchor(models.Model):
    """A range of consent events whose hash is in the erasure ledger, as a note.

    The ranges follow each other without a gap. Range and number are here and not in the ledger,
    because they would tell how many sessions there were. See ``evidence.anchors``.
    """

    first_id = models.BigIntegerField(_("first number"))
    #: One less than ``first_id`` if the range is empty.
    last_id = models.BigIntegerField(_("last number"))
    count = models.PositiveBigIntegerField(_("number of events"))
    #: The first day of the period (ERASURE_TIME_PRECISION) of the events.
    period = models.DateField(_("period"))
    nonce = models.CharField(_("random number"), max_length=64)
    #: SHA-256 of range, number, nonce and events. It is a subject of the note.
    digest = models.CharField(_("hash"), max_length=64, unique=True)
    #: HMAC of the hash, so that the database alone cannot produce an anchor.
    hmac = models.CharField("HMAC", max_length=64)
    #: The key of an event's HMAC was lost, so that only the hash shows that no event was changed.
    key_lost = models.BooleanField(_("key lost"), default=False)

    class Meta:
        verbose_name = _("anchor of evidence")
        verbose_name_plural = _("anchors of evidence")
        ordering = ("first_id", "pk")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Evidence anchor {self.pk}"


class RetentionRun(models.Model):
    """The last completed run of retention: one row, or none before the first run.

    ``began_at`` is the clock time at which that run passed the clock check; see
    ``retention.clock_problem``.
    """

    began_at = models.DateTimeField(_("began at"))

    class Meta:
        verbose_name = _("last run of retention")
        verbose_name_plural = _("last run of retention")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Retention run {self.pk}"


class LimitCounter(models.Model):
    """The number of times something happened within one window of time: see ``limits``.

    A row is deleted after its window. On PostgreSQL the table is unlogged: it is neither in the
    write-ahead log nor in a base backup.
    """

    #: A hash whose key changes with each window, so that rows of two windows are not linkable.
    key = models.CharField(_("keyed hash"), max_length=64, primary_key=True)
    count = models.PositiveBigIntegerField(_("times counted"))
    ends_at = models.DateTimeField(_("end of the window"), db_index=True)

    class Meta:
        verbose_name = _("counter of a limit")
        verbose_name_plural = _("counters of limits")
        default_permissions = ()

    def __str__(self) -> str:
        return "Counter of a limit"
