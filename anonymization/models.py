"""The erasure ledger, and the queue of stored files to be deleted. Neither has personal data."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, date
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from anonymization.ledger.chain import VERSION, Entry, facts_hash


class Source(models.TextChoices):
    """The source of an erasure: how it was requested."""

    PAGE = "page", _("Staff app")
    ADMIN = "admin", _("Django admin")
    COMMAND = "command", _("Command")
    API = "api", _("REST API")
    RETENTION = "retention", _("Retention period expired")
    WITHDRAWAL = "withdrawal", _("Withdrawal of consent")
    REPLAY = "replay", _("Replay after a restored backup")
    REDO = "redo", _("Completion of an interrupted erasure")


class Asked(models.TextChoices):
    """The category of the requester, as it is stored in the chained part of a record.

    It is a category only and names nobody.
    """

    STAFF = "staff", _("Staff member")
    PROGRAM = "program", _("Program")
    SYSTEM = "system", _("The system")
    PERSON = "person", _("The person concerned")


ASKED_BY_SOURCE = {
    Source.PAGE: Asked.STAFF,
    Source.ADMIN: Asked.STAFF,
    Source.COMMAND: Asked.SYSTEM,
    Source.API: Asked.PROGRAM,
    Source.RETENTION: Asked.SYSTEM,
    Source.WITHDRAWAL: Asked.PERSON,
    Source.REPLAY: Asked.SYSTEM,
    Source.REDO: Asked.SYSTEM,
}


class Ground(models.TextChoices):
    """The reason of an erasure."""

    REQUEST = "request", _("Request of the person (Art. 17 GDPR)")
    WITHDRAWAL = "withdrawal", _("Withdrawal of consent")
    RETENTION = "retention", _("Retention period expired")
    AUTHORITY = "authority", _("Order of a court or authority")
    MISTAKE = "mistake", _("Mistake or test data")
    OTHER = "other", _("Other reason")


#: The grounds that a person can choose. The system sets the others itself.
CHOSEN_GROUNDS = (
    Ground.REQUEST,
    Ground.WITHDRAWAL,
    Ground.AUTHORITY,
    Ground.MISTAKE,
    Ground.OTHER,
)


class Note(models.TextChoices):
    """Kinds of records about the ledger itself or about its evidence. They are not erasures."""

    COPY_BEGUN = "copy_begun", _("External copy of the ledger created")
    COPY_ENDED = "copy_ended", _("External copy of the ledger given up")
    REPLAYED = "replayed", _("Erasures replayed after a restored backup")
    REDO = "redo", _("Interrupted erasures carried out")
    STRICTER_POLICY = "stricter_policy", _("Stricter policy applied to anonymized rows")
    SETTINGS_CHANGED = "settings_changed", _("Settings changed")
    RETENTION_RUN = "retention_run", _("Retention run")
    EVIDENCE_ANCHORED = "evidence_anchored", _("Evidence of consent anchored")
    EVIDENCE_KEY_LOST = "evidence_key_lost", _("Loss of a key of the evidence recorded")
    CLAIMS = "claims", _("Claims of a closed request")
    REQUEST_CLOSED = "request_closed", _("Request closed")
    HOLD_RELEASED = "hold_released", _("Legal hold released")
    WORDS_BLACKED_OUT = "words_blacked_out", _("Words in messages blacked out")
    FILE_DELETED = "file_deleted", _("File deleted")
    SEALED_FILE_OPENED = "sealed_file_opened", _("Sealed file opened")


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def of_people(self) -> Self:
        """Return the records of erasures, without the records about the ledger itself."""
        return self.exclude(kind__in=Note.values)


class Erasure(models.Model):
    """One act in the ledger: an erasure, or a note about the ledger itself.

    Records are append-only, which the database itself enforces, and chained: ``number`` to ``hash``
    are the fields of a ``ledger.Entry``. ``subjects`` are the hashes of the random ``uid`` of all
    rows that the act anonymized, never of a primary key or of personal data. No row refers to its
    record, and no record to its rows.

    The other fields are the *clear facts*, whose salted hash is chained (``facts``). Exact time,
    counts and evidence would single out the anonymized rows of the act. ``forget_facts`` therefore
    clears them, with the salt, when the period of the act is over. They are also absent in a record
    that was imported from the external copy. ``counts`` maps a model label to the number of rows
    that were deleted or anonymized. ``evidence`` lists the kept evidence, see ``Policy.evidence``.
    """

    id = models.UUIDField(
        _("random identifier"), primary_key=True, default=uuid.uuid4, editable=False
    )
    number = models.PositiveBigIntegerField(_("number"), unique=True)
    version = models.PositiveSmallIntegerField(_("version of the format"), default=VERSION)
    kind = models.CharField(_("kind"), max_length=100)
    subjects = models.JSONField(_("hashes of the random identifiers"), default=list)
    facts = models.CharField(_("hash of the facts"), max_length=64, blank=True)
    day = models.DateField(_("day"))
    requester = models.CharField(_("requested by a"), max_length=20, choices=Asked)
    previous = models.CharField(_("hash of the previous record"), max_length=64, unique=True)
    hash = models.CharField(_("hash"), max_length=64, unique=True)
    #: The number of rows that the act anonymized.
    rows = models.PositiveIntegerField(_("number of anonymized rows"), default=0)
    salt = models.CharField(_("salt of the facts"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("carried out at"), null=True)
    door = models.CharField(_("source"), max_length=20, choices=Source)
    ground = models.CharField(_("ground"), max_length=20, choices=Ground, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        verbose_name=_("requested by"),
        related_name="+",
    )
    client = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
        models.PROTECT,
        null=True,
        verbose_name=_("API client"),
        related_name="+",
        db_index=False,
    )
    counts = models.JSONField(_("counts"), default=dict)
    evidence = models.JSONField(_("kept evidence"), default=list)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ("-number",)
        default_permissions = ()
        permissions = (
            ("see_erasures", "Can see the record of erasures"),
            ("replay_erasures", "Can replay erasures after a restored backup"),
        )
        indexes = (
            # For the erasures of this month on the home page.
            models.Index(fields=("day",), name="erasure_day"),
            # For the facts that are due to be forgotten.
            models.Index(
                fields=("created_at",),
                name="erasure_facts",
                condition=models.Q(created_at__isnull=False),
            ),
            # For the erasures of an API client within the last hour.
            models.Index(
                fields=("client", "-created_at"),
                name="erasure_client",
                condition=models.Q(client__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"Erasure {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("erasure", args=[self.pk])

    @property
    def entry(self) -> Entry:
        """Return the chained fields of the record, with their current values."""
        return Entry(
            sequence=self.number,
            kind=self.kind,
            subjects=tuple(self.subjects),
            facts=self.facts,
            day=self.day.isoformat(),
            requester=self.requester,
            previous=self.previous,
            version=self.version,
        )

    def take(self, entry: Entry) -> None:
        """Become the record of an entry of the external copy, whose clear facts are gone."""
        self.number, self.version = entry.sequence, entry.version
        self.kind, self.subjects, self.facts = entry.kind, list(entry.subjects), entry.facts
        self.day, self.requester = date.fromisoformat(entry.day), entry.requester
        self.previous, self.hash = entry.previous, entry.hash
        self.salt, self.ground, self.created_at = "", "", None
        self.counts, self.evidence = {}, []
        if self.kind in Note:
            self.rows = 0
        elif entry.version > 1:  # Version 1 names only one of the rows.
            self.rows = len(entry.subjects)

    @property
    def clear_facts(self) -> dict[str, Any]:
        """Return the facts in the form that is hashed into the chain (docs/ledger.md)."""
        moment = self.created_at.astimezone(UTC) if self.created_at else None
        account = f"user {self.requested_by_id}" if self.requested_by_id else None
        return {
            "time": moment.isoformat(timespec="microseconds") if moment else None,
            "source": self.door,
            "requester": self.requester,
            "account": f"client {self.client_id}" if self.client_id else account,
            "ground": self.ground,
            "counts": self.counts,
            "evidence": self.evidence,
        }

    @property
    def knows_facts(self) -> bool:
        """Return whether the clear facts are still there, so that they can be verified."""
        return bool(self.salt)

    @property
    def facts_hold(self) -> bool:
        """Return whether the clear facts match their hash in the chain."""
        try:
            return facts_hash(self.clear_facts, self.salt) == self.facts
        except ValueError:  # Somebody has changed the salt.
            return False

    @property
    def pending_files(self) -> int:
        """Return the number of stored files that are not deleted yet.

        The erasure is complete when there are none.
        """
        return self.file_deletions.count()


class AwaitingFiles(models.Model):
    """An anonymized row whose erasure still has stored files to delete.

    A repeated request is told so. The rows of an act can be linked to each other only here, and
    only until the last file is deleted: then they are deleted too.
    """

    erasure = models.ForeignKey(
        Erasure, models.PROTECT, related_name="awaiting_files", verbose_name=_("erasure")
    )
    label = models.CharField(_("model"), max_length=100)
    key = models.BigIntegerField(_("number of the row"))

    class Meta:
        verbose_name = _("row that awaits file deletions")
        verbose_name_plural = _("rows that await file deletions")
        default_permissions = ()
        indexes = (models.Index(fields=("key", "label"), name="awaiting_files_row"),)

    def __str__(self) -> str:
        return f"Awaiting files {self.pk}"


class FileDeletion(models.Model):
    """A stored file to delete after the commit of an erasure. The row is deleted with the file.

    A row without an erasure is an upload: it is queued before the file is written, and deleted in
    the transaction that stores the row of the file. The files of a process that died are therefore
    found and deleted too. ``subject`` is then the random ``uid`` of the row that the file belongs
    to. An erasure uses it to take over the upload.
    """

    erasure = models.ForeignKey(
        Erasure, models.PROTECT, null=True, related_name="file_deletions", verbose_name=_("erasure")
    )
    queued_at = models.DateTimeField(_("queued at"), db_default=Now())
    name = models.CharField(_("stored name"), max_length=100)
    subject = models.UUIDField(_("subject"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)

    class Meta:
        verbose_name = _("pending file deletion")
        verbose_name_plural = _("pending file deletions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"File deletion {self.pk}"


class StorageMarker(models.Model):
    """The marker of the storage that files are written to. There is one row.

    The storage has an object with this random name.
    """

    uid = models.UUIDField(_("random identifier"), default=uuid.uuid4, editable=False)

    class Meta:
        verbose_name = _("marker of the storage")
        verbose_name_plural = _("marker of the storage")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Storage marker {self.pk}"

    @property
    def name(self) -> str:
        return f"storage-{self.uid}"


class FilesDeleted(models.Model):
    """The time at which the last stored file of an erasure was deleted.

    An erasure without stored files has no such row.
    """

    erasure = models.OneToOneField(
        Erasure,
        models.PROTECT,
        primary_key=True,
        related_name="files_deleted",
        verbose_name=_("erasure"),
    )
    at = models.DateTimeField(_("deleted at"))

    class Meta:
        verbose_name = _("end of file deletions")
        verbose_name_plural = _("ends of file deletions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Files deleted {self.pk}"


class LedgerState(models.Model):
    """What is known about the ledger besides its records. There is at most one row.

    While ``copy_begun_at`` is set, a process without ERASURE_LEDGER_DIR refuses to erase.
    """

    copy_begun_at = models.DateTimeField(_("external copy created at"), null=True)
    verified_at = models.DateTimeField(_("last found valid at"), null=True)
    #: Set by a verification that found the ledger invalid, until one finds it valid.
    failed_at = models.DateTimeField(_("found invalid at"), null=True)

    class Meta:
        verbose_name = _("state of the ledger")
        verbose_name_plural = _("state of the ledger")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Ledger state {self.pk}"

    @classmethod
    def copy_exists(cls) -> bool:
        return cls.objects.exclude(copy_begun_at=None).exists()

    @classmethod
    def change(cls, **values: Any) -> None:
        cls.objects.update_or_create(pk=1, defaults=values)


class Maintenance(models.Model):
    """One run that removed data erased before its start from the database files.

    A run that was not completed has no ``finished_at``. See ``maintenance``.
    """

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)
    #: False if a run on PostgreSQL analyzed the tables without rewriting them. SQLite always
    #: rewrites.
    rewritten = models.BooleanField(_("rewritten"))
    #: True if the anonymized rows were then in the order of their keys. See ``system_columns``.
    in_key_order = models.BooleanField(_("rows in the order of their keys"), default=False)

    class Meta:
        verbose_name = _("maintenance run")
        verbose_name_plural = _("maintenance runs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Maintenance {self.pk}"


class HoldGround(models.TextChoices):
    """The legal ground of a hold: the provision of the GDPR that keeps data from being erased."""

    LEGAL_OBLIGATION = "17-3-b", _("Legal obligation or public task (Art. 17(3)(b))")
    LEGAL_CLAIMS = "17-3-e", _("Legal claims of the controller (Art. 17(3)(e))")
    ACCURACY = "18-1-a", _("Accuracy is contested (Art. 18(1)(a))")
    UNLAWFUL = "18-1-b", _("Unlawful processing, restriction instead of erasure (Art. 18(1)(b))")
    NEEDED_BY_PERSON = "18-1-c", _("The person needs the data for legal claims (Art. 18(1)(c))")
    OBJECTION_PENDING = "18-1-d", _("An objection is being verified (Art. 18(1)(d))")
    OBJECTION = "21-1", _("Objection to the processing (Art. 21(1))")


#: Groups of digits and a few letters with separators between them, and at least one digit. The
#: field is not a place for free text about a person.
_GROUP = r"(?=[^\W_])[^\W\d_]{0,5}[0-9]*[^\W\d_]{0,2}"
CASE_NUMBER = rf"\A(?=.*[0-9]){_GROUP}([ ./:_-]{{1,2}}{_GROUP})*\Z"


def latest_review(today: date) -> date:
    """Return the last permitted day of a review: twelve months ahead."""
    try:
        return today.replace(year=today.year + 1)
    except ValueError:  # 29 February
        return today.replace(year=today.year + 1, day=28)


def validate_review(day: date) -> None:
    """Require a day after today and within twelve months.

    Raises:
        ValidationError: the day is too early or too late.
    """
    today = timezone.localdate()
    if not today < day <= latest_review(today):
        raise ValidationError(_("Choose a day after today and within 12 months."))


class HoldQuerySet(models.QuerySet["Hold"]):
    def active(self) -> Self:
        """Return the holds that are not released."""
        return self.filter(released_at=None)

    def overdue(self, on: date) -> Self:
        """Return the active holds whose review is due before a day."""
        return self.active().filter(review_on__lt=on)

    def count_overdue(self) -> int:
        """Return the number of overdue reviews, capped at 1,000. Every page shows it in the menu."""
        return self.overdue(timezone.localdate())[:1000].count()

    def of(self, subjects: Iterable[uuid.UUID]) -> Self:
        """Return the holds that were set on the rows with these random identifiers."""
        return self.filter(subject__in=subjects)


class Hold(models.Model):
    """A legal hold (GDPR Art. 17(3), 18): a guest or session that must not be anonymized.

    ``subject`` is the random ``uid`` of the row, and ``kind`` is its model. Several holds may rest
    on one row; it is held until the last one is released. A hold of a person covers all their rows.
    The release clears the case number. The erasure of the row deletes the hold.
    """

    kind = models.CharField(_("kind"), max_length=100)
    subject = models.UUIDField(_("random identifier of the held record"))
    ground = models.CharField(_("legal ground"), max_length=10, choices=HoldGround)
    case_number = models.CharField(
        _("case number"),
        max_length=40,
        validators=[RegexValidator(CASE_NUMBER, _("Enter a number of a case, not words."))],
    )
    set_at = models.DateTimeField(_("set at"), default=timezone.now)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("set by"),
        related_name="+",
    )
    review_on = models.DateField(_("review on"), validators=[validate_review])
    reviewed_at = models.DateTimeField(_("last reviewed at"), null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("last reviewed by"),
        related_name="+",
    )
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("released by"),
        related_name="+",
    )

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("legal hold")
        verbose_name_plural = _("legal holds")
        ordering = ("review_on", "pk")
        default_permissions = ()
        permissions = (("manage_holds", "Can manage legal holds and see held data"),)
        indexes = (
            models.Index(fields=("subject",), name="hold_subject"),
            # The active holds, by the day of their review.
            models.Index(
                fields=("review_on", "id"),
                name="hold_active",
                condition=models.Q(released_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"Hold {self.pk}"

    @property
    def is_overdue(self) -> bool:
        return self.released_at is None and self.review_on < timezone.localdate()


class DueErasure(models.Model):
    """An erasure of a guest or session that was requested and waits until a hold is released.

    ``subject`` is the random ``uid`` of the row, and ``kind`` is its model. The release of the last
    hold carries the erasure out and deletes the row.
    """

    kind = models.CharField(_("kind"), max_length=100)
    subject = models.UUIDField(_("random identifier of the record to be erased"), unique=True)
    source = models.CharField(_("source"), max_length=20, choices=Source)
    ground = models.CharField(_("ground"), max_length=20, choices=Ground)
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)

    class Meta:
        verbose_name = _("erasure that waits for a legal hold")
        verbose_name_plural = _("erasures that wait for a legal hold")
        ordering = ("pk",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"Due erasure {self.pk}"


class Job(models.TextChoices):
    """A job that cron starts and that must not stop unnoticed."""

    RETENTION = "retention", _("Retention")
    FILES = "files", _("File queue")
    LEDGER = "ledger", _("Ledger verified")
    ANCHOR = "anchor", _("Evidence anchored")
    EVIDENCE = "evidence", _("Evidence verified")
    MAINTENANCE = "maintenance", _("Maintenance")


class LastRun(models.Model):
    """The last good run of one job, and a run that has not finished. See ``runs``."""

    job = models.CharField(_("job"), max_length=20, choices=Job, unique=True)
    expected_since = models.DateTimeField(_("expected since"), db_default=Now())
    good_at = models.DateTimeField(_("last good run"), null=True)
    #: The last failed run, if it was later than the last good one.
    failed_at = models.DateTimeField(_("last failed run"), null=True)
    #: Set by ``runs.begin`` until a run is good: the process runs, was killed, or failed midway.
    began_at = models.DateTimeField(_("start of an unfinished run"), null=True)

    class Meta:
        verbose_name = _("last run of a job")
        verbose_name_plural = _("last runs of jobs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Last run {self.pk}"
