"""The ledger of erasures, and the queue of stored files that still have to go. Neither holds personal data."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from anonymization.ledger.chain import VERSION, Entry


class Source(models.TextChoices):
    """By which way the erasure was asked for."""

    PAGE = "page", _("Staff app")
    ADMIN = "admin", _("Django admin")
    COMMAND = "command", _("Command")
    API = "api", _("REST API")
    RETENTION = "retention", _("Retention period expired")
    WITHDRAWAL = "withdrawal", _("Withdrawal of consent")
    REPLAY = "replay", _("Replay after a restored backup")


class Asked(models.TextChoices):
    """Who asked for an erasure, as far as the chained part of a record tells it: a class, nobody by name."""

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
}


class Note(models.TextChoices):
    """Kinds of records that erase nobody: what happened to the ledger itself."""

    REPLAYED = "replayed", _("Erasures replayed after a restored backup")
    COPY_BEGUN = "copy_begun", _("External copy of the ledger created")


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def of_people(self) -> Self:
        """Return the records that erased somebody, without the notes about the ledger itself."""
        return self.exclude(kind__in=Note.values)


class Erasure(models.Model):
    """One erasure that was carried out: what kind, when, who asked, by which door, how much went.

    Append-only, in the database itself, and chained: ``number`` to ``hash`` are the fields of a ``ledger.Entry``, in
    which ``subject`` is a digest of the random ``uid`` of the erased guest or session, never of a key or of anything
    that names a person. The rest is not chained. ``counts`` maps a model's label to the number of rows that went or
    were emptied; ``shells`` lists the primary keys of the emptied rows by model label.
    """

    id = models.UUIDField(_("random identifier"), primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveBigIntegerField(_("number"), unique=True)
    version = models.PositiveSmallIntegerField(_("version of the format"), default=VERSION)
    kind = models.CharField(_("kind"), max_length=100)
    subject = models.CharField(_("hash of the random identifier"), max_length=64)
    day = models.DateField(_("day"))
    requester = models.CharField(_("requested by a"), max_length=20, choices=Asked)
    previous = models.CharField(_("hash of the previous record"), max_length=64, unique=True)
    hash = models.CharField(_("hash"), max_length=64, unique=True)
    created_at = models.DateTimeField(_("carried out at"))
    door = models.CharField(_("source"), max_length=20, choices=Source)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, verbose_name=_("requested by"), related_name="+"
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
    shells = models.JSONField(_("anonymized rows"), default=dict)

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
            # Erasures of this month, on the home page.
            models.Index(fields=("created_at",), name="erasure_created"),
            # What an API client erased within the last hour.
            models.Index(
                fields=("client", "-created_at"),
                name="erasure_client",
                condition=models.Q(client__isnull=False),
            ),
        )
        constraints = (models.UniqueConstraint(fields=("subject", "kind"), name="erasure_once_per_subject"),)

    def __str__(self) -> str:
        return f"Erasure {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("erasure", args=[self.pk])

    @property
    def entry(self) -> Entry:
        """What of the record is chained, as it stands in the database now."""
        return Entry(
            sequence=self.number,
            kind=self.kind,
            subject=self.subject,
            day=self.day.isoformat(),
            requester=self.requester,
            previous=self.previous,
            version=self.version,
        )

    def take(self, entry: Entry) -> None:
        """Become the record of an entry that the external copy holds."""
        self.number, self.version = entry.sequence, entry.version
        self.kind, self.subject, self.requester = entry.kind, entry.subject, entry.requester
        self.day = date.fromisoformat(entry.day)
        self.previous, self.hash = entry.previous, entry.hash

    @property
    def pending_files(self) -> int:
        """How many stored files still have to be deleted; the erasure is complete when there are none."""
        return self.file_deletions.count()


class FileDeletion(models.Model):
    """A stored file to delete after the erasure's commit; the row goes when the file is gone.

    Without an erasure it stands for an upload: queued before the file is written, taken back in the transaction
    that stores the file's own row. What a process that died left behind is so found and deleted too. ``subject`` is
    then the random ``uid`` of the row that the file belongs to, by which an erasure takes the upload over.
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
    """The one storage that files were written to: it holds an object of this random name. There is one row."""

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
    """When the last stored file of an erasure was gone; there is none where the erasure took no file."""

    erasure = models.OneToOneField(
        Erasure, models.PROTECT, primary_key=True, related_name="files_deleted", verbose_name=_("erasure")
    )
    at = models.DateTimeField(_("deleted at"))

    class Meta:
        verbose_name = _("end of file deletions")
        verbose_name_plural = _("ends of file deletions")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Files deleted {self.pk}"


class Maintenance(models.Model):
    """One run that overwrote or gave back the bytes of what was erased before it began; see ``maintenance``.

    A run that could not do all of it has no ``finished_at``.
    """

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)
    #: PostgreSQL: tables were rewritten, and not analyzed only. SQLite always rewrites.
    rewritten = models.BooleanField(_("rewritten"))

    class Meta:
        verbose_name = _("maintenance run")
        verbose_name_plural = _("maintenance runs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Maintenance {self.pk}"
