"""The link to "my consent" by mail: to the address that is entered, which is kept nowhere."""

from __future__ import annotations

import logging
import time
from smtplib import SMTPException

from django.core.cache import cache
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from sessions_app.models import Session

#: Mails of one link within a day, and of all within an hour: nobody's letter box is filled from here.
PER_LINK, PER_HOUR = 3, 200

logger = logging.getLogger(__name__)


class MailRefused(Exception):
    """Nothing was sent. The message is fit for the person who asked."""

    status = 503


class TooManyMails(MailRefused):
    status = 429


def send_link(address: str, *, session: Session, link: str) -> None:
    """Send the link and nothing else that tells who somebody is. The address is not stored and not logged.

    Raises:
        TooManyMails: this link, or too many altogether, were sent of late.
        MailRefused: the mail server did not take it.
    """
    # Counted by a random identifier, since a key in the cache outlives an erasure by a day.
    _count(f"consent-mails-{session.uid}", PER_LINK, seconds=24 * 3600)
    _count("consent-mails", PER_HOUR, seconds=3600)
    name = " ".join(session.webchat.name.split())  # a header has one line
    try:
        send_mail(_("Your consent for %(webchat)s") % {"webchat": name}, _body(name, link), None, [address])
    except (OSError, SMTPException) as failure:
        # Not its text: it names the address.
        logger.warning("a link to my consent was not sent: %s", type(failure).__name__)
        raise MailRefused(
            _("The e-mail could not be sent. Please copy the link or try again later.")
        ) from None


def _count(key: str, limit: int, *, seconds: int) -> None:
    """Count one mail, or refuse it because ``limit`` mails were sent within the last ``seconds``."""
    now = time.time()
    # The times of all mails, not their number: each mail would prolong the life of a number.
    sent = [moment for moment in cache.get(key, ()) if now - moment < seconds]
    if len(sent) >= limit:
        raise TooManyMails(_("The link has been sent too often. Please copy it or try again tomorrow."))
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
