"""Whether mail is configured, and whether the mail server answers."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import get_connection

logger = logging.getLogger(__name__)


def sends_mail() -> bool:
    """Return whether mail is configured (EMAIL_URL)."""
    return settings.EMAIL_BACKEND != "django.core.mail.backends.dummy.EmailBackend"


def mail_server_answers() -> bool:
    """Return whether the mail server accepts a connection and the login.

    A page asks this before it looks for the addressee. Otherwise a failure while sending would tell
    that there is one.
    """
    connection = get_connection()
    try:
        connection.open()
    except (OSError, SMTPException) as failure:
        logger.warning("the mail server does not answer: %s", type(failure).__name__)
        return False
    connection.close()
    return True
