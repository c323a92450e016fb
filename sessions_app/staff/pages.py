"""The permissions and the session of a staff page below ``/sessions/<id>/``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from lib.pages import staff_page
from sessions_app.masking import SEE_PERSONAL_DATA
from sessions_app.models import Session

#: The permissions to see the personal data of sessions, for example a conversation.
SEE_PEOPLE = ("sessions_app.see_sessions", SEE_PERSONAL_DATA)
#: The permissions to act as an operator.
ANSWER_SESSIONS = (*SEE_PEOPLE, "sessions_app.answer")
#: One of these is sufficient to record that a person withdrew their consent.
RECORD_WITHDRAWALS = ("sessions_app.answer", "sessions_app.anonymize_session")

_View = Callable[..., HttpResponseBase]


def session_page(*required: str, any_of: Collection[str] = ()) -> Callable[[_View], _View]:
    """Restrict a view with ``staff_page``, and pass the session to it instead of its key.

    The page returns 404 if the session does not exist.
    """

    def guard(view: _View) -> _View:
        @staff_page(*required, any_of=any_of)
        @wraps(view)
        def guarded(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
            sessions = Session.objects.select_related(
                "webchat", "guest", "operator", "erasure__requested_by"
            )
            return view(request, get_object_or_404(sessions, pk=pk), **kwargs)

        return guarded

    return guard
