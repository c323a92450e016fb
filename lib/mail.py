"""Whether mail is configured."""

from __future__ import annotations

from django.conf import settings


def sends_mail() -> bool:
    """Return whether mail is configured (EMAIL_URL)."""
    return settings.EMAIL_BACKEND != "django.core.mail.backends.dummy.EmailBackend"
