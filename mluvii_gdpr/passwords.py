"""Refuse passwords that are easy to guess from their context."""

from __future__ import annotations

import re
import unicodedata
from threading import Lock
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

#: The score of zxcvbn, from 0 to 4, that a password needs: about 100 million guesses.
SCORE = 3
#: The number of characters that are analysed. The time grows with the cube of the length.
ANALYSED = 72
# zxcvbn keeps the words of a call in a dictionary that all threads share.
_alone = Lock()
_PRODUCT = ("mluvii GDPR", "web chat", "video call", "operator", "support", "admin", "officer")
# zxcvbn has English words only. These are the usual beginnings of a Czech, German or Slovak
# password: the word for password, seasons and months.
_USUAL = """
heslo tajne passwort kennwort geheim zugang
jaro léto podzim zima jar leto jeseň frühling frühjahr sommer herbst winter
leden únor březen duben květen červen červenec srpen září říjen listopad prosinec
január február marec apríl máj jún júl august september október november december
januar jänner februar märz april mai juni juli oktober dezember
"""


class GuessableValidator:
    """Refuse words of the account, the company and the calendar, and keyboard patterns."""

    def validate(self, password: str, user: User | AnonymousUser | None = None) -> None:
        """Estimate how many guesses the password needs.

        Raises:
            ValidationError: the password needs too few guesses.
        """
        analysed = _with_plain_letters(password)[:ANALYSED]
        with _alone:
            estimate = zxcvbn(analysed, user_inputs=_context(user), max_length=ANALYSED)
        if estimate["score"] < SCORE:
            raise ValidationError(self.get_help_text(), code="password_too_guessable")

    def get_help_text(self) -> str:
        return _(
            "Your password must not be easy to guess: no names, months, seasons, years"
            " or keyboard patterns. Four unrelated words are a good password."
        )


def _context(user: User | AnonymousUser | None) -> list[str]:
    """Return the words that somebody who knows the account and the company would try."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    company = (settings.CONTROLLER_NAME, host, *settings.ALLOWED_HOSTS)
    texts = map(_with_plain_letters, (*_account(user), *company, *_PRODUCT, *_USUAL.split()))
    parts = [part for text in texts for part in _parts(text) if len(part) > 2]
    return list(dict.fromkeys(parts))


def _parts(text: str) -> list[str]:
    """Return the words of a text, and the text written as one word."""
    words = re.split(r"[\W_]+", text)
    return [*words, "".join(words)]


def _account(user: User | AnonymousUser | None) -> tuple[str, ...]:
    if not isinstance(user, User):
        return ()
    return user.get_username(), user.first_name, user.last_name, user.email


def _with_plain_letters(text: str) -> str:
    """Return the text without diacritics, since many people type a password without them."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
