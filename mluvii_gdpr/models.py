"""The choices of staff members, and the running processes of event streams."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Min, Q, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Profile(models.Model):
    """The choices of one staff member. A staff member without a row has chosen nothing."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="profile", verbose_name=_("user")
    )
    language = models.CharField(
        _("language"),
        max_length=5,
        choices=settings.LANGUAGES,
        blank=True,
        help_text=_("Applies to the staff pages. Visitors have their own setting."),
    )

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Profile {self.pk}"


class EventsProcessQuerySet(models.QuerySet["EventsProcess"]):
    def alive(self) -> EventsProcessQuerySet:
        return self.filter(seen_at__gt=timezone.now() - EventsProcess.SILENT_AFTER)

    def silent(self) -> EventsProcessQuerySet:
        return self.filter(seen_at__lte=timezone.now() - EventsProcess.SILENT_AFTER)


class EventsProcess(models.Model):
    """A host that serves event streams, with the last sign of life of its processes.

    It is stored in the database, which pages and event streams share even on different hosts.
    """

    #: A process sends a sign of life every fifteen seconds.
    SILENT_AFTER = timedelta(minutes=1)
    #: After this time, a host that did not sign off is no longer reported as missing.
    FORGOTTEN_AFTER = timedelta(days=1)

    host = models.CharField(_("host"), max_length=255, unique=True)
    seen_at = models.DateTimeField(_("last sign of life"))
    #: The start of the current uptime: the signs of life since then have no gap.
    alive_since = models.DateTimeField(
        _("signs of life since"), default=timezone.now, db_default=Now()
    )

    objects = EventsProcessQuerySet.as_manager()

    class Meta:
        verbose_name = _("process of event streams")
        verbose_name_plural = _("processes of event streams")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Process of event streams {self.pk}"

    @classmethod
    def give_sign(cls, host: str) -> None:
        """Store a sign of life of a host, and delete hosts that have been silent for a day.

        After a gap, also one that a wrong clock made, a new uptime begins.
        """
        now = timezone.now()
        known = cls.objects.filter(host=host[:255])
        gap = Q(seen_at__lt=now - cls.SILENT_AFTER) | Q(seen_at__gt=now + cls.SILENT_AFTER)
        since = Case(When(gap, then=Value(now)), default="alive_since")
        if not known.update(seen_at=now, alive_since=since):
            cls.objects.update_or_create(host=host[:255], defaults={"seen_at": now})
        cls.objects.filter(seen_at__lt=now - cls.FORGOTTEN_AFTER).delete()

    @classmethod
    def trusted_since(cls) -> datetime | None:
        """Return the time since which some host has served streams without a gap, or None."""
        return cls.objects.alive().aggregate(since=Min("alive_since"))["since"]

    @classmethod
    def sign_off(cls, host: str) -> None:
        """Delete a host whose process stops on purpose.

        If the host has another process, its next sign of life adds the host again.
        """
        cls.objects.filter(host=host[:255]).delete()
