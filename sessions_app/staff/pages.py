"""The permissions and the session of a staff page below ``/sessions/<id>/``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from lib.pages import staff_page
from sessions_app.masking import SEE_PERSONAL_DATA, Reader
from sessions_app.models import Session

#: The permissions to see the personal data of sessions, for example a conversation.
SEE_PEOPLE = ("sessions_app.see_sessions", SEE_PERSONAL_DATA)
#: The permissions to act as an operator.
ANSWER_SESSIONS = (*SEE_PEOPLE, "sessions_app.answer")

_View = Callable[..., HttpResponseBase]


def session_page(*required: str, content: bool = False) -> Callable[[_View], _View]:
    """Restrict a view with ``staff_page``, and pass the session to it instead of its key.

    The page returns 404 if the session does not exist. A page that is nothing but ``content`` of
    the session returns 403 if the staff member may not see that content (``Reader``).
    """

    def guard(view: _View) -> _View:
        @staff_page(*required)
        @wraps(view)
        def guarded(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
            sessions = Session.objects.select_related("webchat", "guest", "operator")
            session = get_object_or_404(sessions.with_holds(), pk=pk)
            if content and not Reader.of(request.user).may_see(session):
                raise PermissionDenied
            return view(request, session, **kwargs)

        return guarded

    return guard
