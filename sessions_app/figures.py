"""The figures about sessions that the settings pages of a WebChat show."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Count

from sessions_app import retention
from sessions_app.models import ConsentEvent
from webchat.figures import RetentionPreview
from webchat.models import ConsentVersion, WebChat


class SessionFigures:
    """Count the rows of this app. ``webchat.figures`` documents what each method returns."""

    def holding(self, versions: Collection[ConsentVersion]) -> Mapping[int, int]:
        # A session has at most one event of each kind, so the number of GIVEN events is the number
        # of sessions.
        given = ConsentEvent.objects.filter(
            kind=ConsentEvent.Kind.GIVEN, text__version__in=versions
        )
        counted = given.order_by().values_list("text__version").annotate(sessions=Count("pk"))
        return dict(counted)

    def retention(self, webchat: WebChat, *, days: int) -> RetentionPreview:
        return retention.preview(webchat, days=days)
