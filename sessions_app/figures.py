"""The figures about sessions that the settings pages of a WebChat show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import Count, QuerySet

from sessions_app import retention
from sessions_app.models import ConsentEvent, Session, Status
from webchat.figures import RetentionPreview
from webchat.models import ConsentVersion, WebChat


class SessionFigures:
    """Count the rows of this app. ``webchat.figures`` documents what each method returns."""

    def holding(self, versions: Collection[ConsentVersion]) -> Mapping[int, int]:
        # A session agrees to a consent text or is informed by a privacy notice, once. The number of
        # these events is therefore the number of sessions.
        counted = (
            _events_of(versions)
            .order_by()
            .values_list("text__version")
            .annotate(sessions=Count("pk"))
        )
        return dict(counted)

    def open_sessions(self, version: ConsentVersion) -> Sequence[Any]:
        sessions = Session.objects.exclude(status=Status.CLOSED)
        return list(sessions.filter(pk__in=_events_of([version]).values("session")))

    def retention(self, webchat: WebChat, *, days: int) -> RetentionPreview:
        return retention.preview(webchat, days=days)


def _events_of(versions: Collection[ConsentVersion]) -> QuerySet[ConsentEvent]:
    return ConsentEvent.objects.filter(
        kind__in=[ConsentEvent.Kind.GIVEN, ConsentEvent.Kind.INFORMED], text__version__in=versions
    )
