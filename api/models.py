"""API clients with their rights, their reached limits and their idempotency keys."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication


class Right(models.TextChoices):
    """A right of a client; the name of each right is also its OAuth 2.0 scope."""

    READ_SESSIONS = "read_sessions", _("Read sessions")
    READ_PERSONAL_DATA = "read_personal_data", _("Read personal data")
    ANONYMIZE_SESSIONS = "anonymize_sessions", _("Anonymize sessions")
    ANONYMIZE_GUESTS = "anonymize_guests", _("Anonymize guests")


class ApiClient(AbstractApplication):
    """A program with a client ID and a client secret.

    It uses OAuth 2.0 client credentials (RFC 6749 section 4.4). The secret is stored as a hash and
    shown once. A client is revoked but never deleted, because erasure records reference it.
    """

    id = models.BigAutoField(_("number"), primary_key=True)
    rights = models.JSONField(_("rights"), default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("revoked by"),
    )

    class Meta:
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")
        ordering = ("pk",)
        default_permissions = ()
        permissions = (
            ("see_api_clients", "Can see API clients"),
            ("manage_api_clients", "Can manage API clients"),
        )

    def __str__(self) -> str:
        return f"API client {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("api_client", args=[self.pk])

    @property
    def right_labels(self) -> list[str]:
        """Return the labels of the rights, in the order of their declaration."""
        return [str(right.label) for right in Right if right in self.rights]


class LimitReached(models.Model):
    """A client tried to erase more within an hour than it may.

    Either the client has a bug or its secret was stolen. There is one row until an administrator
    has seen it, regardless of the number of requests.
    """

    client = models.ForeignKey(
        ApiClient, models.PROTECT, related_name="limits_reached", verbose_name=_("API client")
    )
    first_at = models.DateTimeField(_("first at"), default=timezone.now)
    last_at = models.DateTimeField(_("last at"), default=timezone.now)
    refused = models.PositiveIntegerField(_("refused requests"), default=0)
    seen_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )

    class Meta:
        verbose_name = _("limit that was reached")
        verbose_name_plural = _("limits that were reached")
        ordering = ("-last_at",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("client",), condition=Q(seen_at=None), name="limit_unseen_once"
            ),
        )

    def __str__(self) -> str:
        return f"Limit reached {self.pk}"


class IdempotencyKey(models.Model):
    """The idempotency key of a request, as keyed hashes: neither the key nor a body is stored.

    A key may be used again after a day.
    """

    KEPT_FOR = timedelta(days=1)

    client = models.ForeignKey(
        ApiClient, models.CASCADE, related_name="+", verbose_name=_("API client")
    )
    digest = models.CharField(_("hash of the key"), max_length=64)
    request = models.CharField(_("hash of the request"), max_length=64)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("client", "digest"), name="idempotency_key_once"),
        )

    def __str__(self) -> str:
        return f"Idempotency key {self.pk}"
