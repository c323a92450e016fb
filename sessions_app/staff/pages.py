"""What all staff pages about sessions share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django_htmx.http import HttpResponseClientRefresh

from lib import pages
from sessions_app.masking import may_see_people
from sessions_app.models import Session


class SessionsPage(pages.StaffPage):
    """A page about sessions, for staff who see them unless it names other permissions."""

    permission_required: str | tuple[str, ...] = "sessions_app.see_sessions"
    request: HttpRequest

    @property
    def sees_people(self) -> bool:
        return may_see_people(self.request.user)

    def handle_no_permission(self) -> Any:
        """Let a page that fetches a part of itself load whole, where the log-in has ended meanwhile."""
        if getattr(self.request, "htmx", False) and not self.request.user.is_authenticated:
            return HttpResponseClientRefresh()
        return super().handle_no_permission()


class SessionPage(SessionsPage):
    """A page below ``/sessions/<id>/``; 404 when there is no such session."""

    session: Session

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        sessions = Session.objects.select_related("webchat", "guest", "operator", "erasure__requested_by")
        self.session = get_object_or_404(sessions, pk=kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)
