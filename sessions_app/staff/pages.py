"""The base classes of the staff pages about sessions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from lib import pages
from sessions_app.masking import may_see_people
from sessions_app.models import Session


class SessionsPage(pages.StaffPage):
    """A page about sessions. Requires ``see_sessions``, unless it declares other permissions."""

    permission_required: str | tuple[str, ...] = "sessions_app.see_sessions"
    request: HttpRequest

    @property
    def sees_people(self) -> bool:
        return may_see_people(self.request.user)


class SessionPage(SessionsPage):
    """A page below ``/sessions/<id>/``. Returns 404 if the session does not exist."""

    session: Session

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        sessions = Session.objects.select_related(
            "webchat", "guest", "operator", "erasure__requested_by"
        )
        self.session = get_object_or_404(sessions, pk=kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)
