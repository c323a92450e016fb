"""Tell the data protection officers of a withdrawal by e-mail."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import gettext as _

from lib.mail import sends_mail
from sessions_app.models import Session

logger = logging.getLogger(__name__)


def tell_officers(session: Session, *, link: str) -> bool:
    """Send an e-mail to each officer with an address; return whether it was accepted.

    It has the Session ID and the link to the list of withdrawals, and nothing about the person.
    Call it after the commit of the withdrawal, which does not depend on mail.
    """
    officers = User.objects.filter(groups__name="officer", is_active=True).exclude(email="")
    addresses = sorted(set(officers.values_list("email", flat=True)))
    if not addresses or not sends_mail():
        return False
    # Not in the visitor's language: the e-mail is for staff.
    with translation.override(settings.LANGUAGE_CODE):
        message = EmailMessage(
            _("Consent withdrawn in session %(number)s") % {"number": session.pk},
            _("A person has withdrawn their consent in session %(number)s.")
            % {"number": session.pk}
            + (" " + _("They want all of their data deleted.") if session.wants_erasure else "")
            + f"\n\n{link}\n",
            bcc=addresses,
        )
    try:
        message.send()
    except (OSError, SMTPException) as failure:
        # The text of the exception is not logged, because it contains addresses.
        logger.warning(
            "session %d: the officers were not told: %s", session.pk, type(failure).__name__
        )
        return False
    return True
