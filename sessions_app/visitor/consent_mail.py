"""Send the link to "My consent" by e-mail. The address is not stored."""

from __future__ import annotations

import logging
import time
from smtplib import SMTPException

from django.core.cache import cache
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from sessions_app.models import Session

#: The maximum number of e-mails per link and day, and of all e-mails per hour. The limits keep
#: anybody from flooding a mailbox through this form.
PER_LINK, PER_HOUR = 3, 200

logger = logging.getLogger(__name__)


class MailRefused(Exception):
    """No e-mail was sent. The message can be shown to the person."""

    status = 503


class TooManyMails(MailRefused):
    status = 429


def send_link(address: str, *, session: Session, link: str) -> None:
    """Send the link, and nothing else that identifies the person.

    The address is neither stored nor logged.

    Raises:
        TooManyMails: This link, or too many links altogether, were sent recently.
        MailRefused: The mail server did not accept the e-mail.
    """
    # The key contains a random identifier, because it stays in the cache for up to a day, even
    # after an erasure.
    _count(f"consent-mails-{session.uid}", PER_LINK, seconds=24 * 3600)
    _count("consent-mails", PER_HOUR, seconds=3600)
    # A header must be on one line.
    name = " ".join(session.webchat.name.split())
    try:
        send_mail(
            _("Your consent for %(webchat)s") % {"webchat": name},
            _body(name, link),
            None,
            [address],
        )
    except (OSError, SMTPException) as failure:
        # The text of the exception is not logged, because it contains the address.
        logger.warning("a link to my consent was not sent: %s", type(failure).__name__)
        raise MailRefused(
            _("The e-mail could not be sent. Please copy the link or try again later.")
        ) from None


def _count(key: str, limit: int, *, seconds: int) -> None:
    """Count one e-mail, or refuse it if ``limit`` e-mails were sent within the last ``seconds``.

    Raises:
        TooManyMails: The limit is reached.
    """
    now = time.time()
    # The times of all e-mails are stored. A counter would not work, because each e-mail would
    # extend its expiry.
    sent = [moment for moment in cache.get(key, ()) if now - moment < seconds]
    if len(sent) >= limit:
        raise TooManyMails(
            _("The link has been sent too often. Please copy it or try again tomorrow.")
        )
    cache.set(key, [*sent, now], seconds)


def _body(name: str, link: str) -> str:
    paragraphs = (
        _(
            "Use this link to see what you agreed to in %(webchat)s. You can withdraw your "
            "consent there at any time:"
        )
        % {"webchat": name},
        link,
        _("Anyone with this link can do the same, so don't share it."),
        _("If you did not ask for this e-mail, ignore it: somebody mistyped their address."),
    )
    return "\n\n".join(paragraphs) + "\n"
