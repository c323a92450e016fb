"""The erasure ledger, and the queue of stored files to be deleted. Neither has personal data."""

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
    """The source of an erasure: how it was requested."""

    PAGE = "page", _("Staff app")
    ADMIN = "admin", _("Django admin")
    COMMAND = "command", _("Command")
    API = "api", _("REST API")
    RETENTION = "retention", _("Retention period expired")
    WITHDRAWAL = "withdrawal", _("Withdrawal of consent")
    REPLAY = "replay", _("Replay after a restored backup")


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
}


class Note(models.TextChoices):
    """Kinds of records that are not erasures: events of the ledger, and changed settings."""

    REPLAYED = "replayed", _("Erasures replayed after a restored backup")
    COPY_BEGUN = "copy_begun", _("External copy of the ledger created")
    SETTINGS_CHANGED = "settings_changed", _("Setting changed")


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def of_people(self) -> Self:
        """Return the records of erasures, without the records about the ledger itself."""
        return self.exclude(kind__in=Note.values)


class Erasure(models.Model):
    """One erasure that was carried out: its kind, time, requester, source and extent.

    Records are append-only, which the database itself enforces, and chained: ``number`` to ``hash``
    are the fields of a ``ledger.Entry``. ``subject`` is a hash of the random ``uid`` of the guest
    or session, never of a primary key or of personal data. The other fields are not chained.
    ``counts`` maps a model label to the number of rows that were deleted or anonymized. ``shells``
    maps a model label to the primary keys of the anonymized records.
    """

    id = models.UUIDField(
        _("random identifier"), primary_key=True, default=uuid.uuid4, editable=False
    )
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
            # For the erasures of this month on the home page.
            models.Index(fields=("created_at",), name="erasure_created"),
            # For the erasures of an API client within the last hour.
            models.Index(
                fields=("client", "-created_at"),
                name="erasure_client",
                condition=models.Q(client__isnull=False),
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("subject", "kind"), name="erasure_once_per_subject"),
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
            subject=self.subject,
            day=self.day.isoformat(),
            requester=self.requester,
            previous=self.previous,
            version=self.version,
        )

    def take(self, entry: Entry) -> None:
        """Set all chained fields to the values of an entry of the external copy."""
        self.number, self.version = entry.sequence, entry.version
        self.kind, self.subject, self.requester = entry.kind, entry.subject, entry.requester
        self.day = date.fromisoformat(entry.day)
        self.previous, self.hash = entry.previous, entry.hash

    @property
    def pending_files(self) -> int:
        """Return the number of stored files that are not deleted yet.

        The erasure is complete when there are none.
        """
        return self.file_deletions.count()


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


class Maintenance(models.Model):
    """One run that removed data erased before its start from the database files.

    A run that was not completed has no ``finished_at``. See ``maintenance``.
    """

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)
    #: False if a run on PostgreSQL analyzed the tables without rewriting them. SQLite always
    #: rewrites.
    rewritten = models.BooleanField(_("rewritten"))

    class Meta:
        verbose_name = _("maintenance run")
        verbose_name_plural = _("maintenance runs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Maintenance {self.pk}"
