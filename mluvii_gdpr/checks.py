"""Checks of the settings for production (``check --deploy``)."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from sessions_app.consent_mail import sends_mail


@register(Tags.security, deploy=True)
def check_database_is_shared(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production on SQLite: several hosts can't share it."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [
            Warning(
                "The database is SQLite, the embedded default.",
                hint="Set DATABASE_URL to PostgreSQL for more than a few visitors at once.",
                id="mluvii_gdpr.W001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_mail_is_sent(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Warn of a production without mail: staff who forgot their password can't help themselves."""
    if sends_mail():
        return []
    return [
        Warning(
            "No mail is sent, so staff can't reset a forgotten password.",
            hint="Set EMAIL_URL, or set new passwords at /admin/.",
            id="mluvii_gdpr.W002",
        )
    ]
