"""Send the link to "My consent" by e-mail. The address is not stored."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from smtplib import SMTPException

from django.core.mail import send_mail
from django.utils.translation import gettext as _

from sessions_app.limits import DAY, HOUR, Limit, TooOften
from sessions_app.matching import email_key
from sessions_app.models import Session

#: The limits keep anybody from flooding a mailbox through this form. The limit of a link also counts
#: refused e-mails, so that nobody can try many addresses. The total is counted last, so that one
#: link cannot use it up.
PER_LINK = Limit("consent mails of a link", 3, DAY)
PER_RECIPIENT = Limit("consent mails to an address", 1, DAY)
PER_HOUR = Limit("consent mails", 200, HOUR)

logger = logging.getLogger(__name__)


class MailRefused(Exception):
    """No e-mail was sent. The message can be shown to the person."""

    status = 503


class TooManyMails(MailRefused):
    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AddressRefused(MailRefused):
    status = 422


def send_link(address: str, *, session: Session, link: str) -> None:
    """Send the link, and nothing else that identifies the person.

    The address is neither stored nor logged.

    Raises:
        TooManyMails: This link, a link to this address, or too many links altogether, were sent
            recently.
        AddressRefused: No mail server could be told the address.
        MailRefused: The mail server did not accept the e-mail.
    """
    # A header must be on one line.
    name = " ".join(session.webchat.name.split())
    with ExitStack() as undone:
        _count(undone, str(session.uid), address)
        try:
            send_mail(
                _("Your consent for %(webchat)s") % {"webchat": name},
                _body(name, link),
                None,
                [address],
            )
        # The text of an exception is neither logged nor shown, because it contains the address.
        except UnicodeError:
            # The domain is too long in its ASCII form.
            raise AddressRefused(
                _("Enter a full e-mail address, for example name@example.com.")
            ) from None
        except (OSError, SMTPException) as failure:
            logger.warning("a link to my consent was not sent: %s", type(failure).__name__)
            raise MailRefused(
                _("The e-mail could not be sent. Please copy the link or try again later.")
            ) from None
        # The e-mail was sent, so that it stays counted.
        undone.pop_all()


def _count(undone: ExitStack, link: str, address: str) -> None:
    """Count an e-mail before it is sent, so that parallel requests cannot pass a limit.

    Raises:
        TooManyMails: A limit is reached.
    """
    try:
        PER_LINK.count(link)
        PER_RECIPIENT.count(email_key(address))
        PER_HOUR.count()
    except TooOften as refused:
        raise TooManyMails(
            _("The link has been sent too often. Please copy it or try again tomorrow."),
            refused.retry_after,
        ) from None
    undone.callback(PER_LINK.give_back, link)
    undone.callback(PER_RECIPIENT.give_back, email_key(address))
    undone.callback(PER_HOUR.give_back)


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
