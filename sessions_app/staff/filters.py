"""The filters of the Sessions table. No filter accepts personal data."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from lib.filters import DayFilter, Filters, RowFilter
from lib.ids import MAX_ID
from sessions_app.models import Channel, ConsentEvent, Session, Status
from webchat.models import ConsentText, TextKind, WebChat

#: The filter value for all conversations that are not closed.
OPEN = "open"
#: The number of sessions that may be read and sorted for one page.
_FEW = 30_000


class NumberInput(forms.NumberInput):
    """A browser's number field. It stays empty for an invalid value, which it could not show.

    The error is shown as a message.
    """

    def format_value(self, value: Any) -> str | None:
        text = super().format_value(value)
        return text if text and text.isascii() and text.isdecimal() else None


class NumberFilter(django_filters.Filter):
    """A whole number within the range of the database's ids."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, max_value: int = MAX_ID, **kwargs: Any) -> None:
        super().__init__(*args, min_value=1, max_value=max_value, widget=NumberInput, **kwargs)


class SessionFilters(Filters):
    """Filters by WebChat, channel, status, period, consent, anonymization, operator and id."""

    webchat = RowFilter(
        label="WebChat", queryset=WebChat.objects.only("name"), empty_label=_("All")
    )
    channel = django_filters.ChoiceFilter(
        label=_("Channel"), choices=Channel.choices, empty_label=_("All")
    )
    status = django_filters.ChoiceFilter(
        label=_("Status"),
        choices=[
            *Status.choices,
            (OPEN, format_lazy("{} / {}", Status.WAITING.label, Status.ACTIVE.label)),
        ],
        empty_label=_("All"),
        method="filter_status",
    )
    since = DayFilter(label=_("From"), method="filter_since")
    until = DayFilter(label=_("To"), method="filter_until")
    version = NumberFilter(label=_("Consent version"), method="filter_version", max_value=2**31 - 1)
    withdrawn = django_filters.ChoiceFilter(
        label=_("Consent withdrawn"),
        choices=(("yes", _("Yes")), ("no", _("No"))),
        empty_label=_("All"),
        method="filter_withdrawn",
    )
    anonymized = django_filters.ChoiceFilter(
        label=_("Anonymized"),
        choices=(("yes", _("Yes")), ("no", _("No"))),
        empty_label=_("All"),
        method="filter_anonymized",
    )
    operator = RowFilter(
        label=_("Operator"),
        queryset=User.objects.order_by("username").only("username"),
        empty_label=_("All"),
    )
    id = NumberFilter(label=_("Session ID"), field_name="id")
    guest = NumberFilter(label=_("Guest ID"), field_name="guest_id")

    class Meta(Filters.Meta):
        model = Session
        fields: list[str] = []

    @property
    def by_consent(self) -> bool:
        """Tell whether the sessions are selected by their consent events.

        The index of the table's order does not contain these, so that the database may have to
        read and sort all sessions that match.
        """
        values = self.form.cleaned_data
        return bool(values["version"] or values["withdrawn"])

    def filter_status(
        self, sessions: QuerySet[Session], name: str, value: str
    ) -> QuerySet[Session]:
        return sessions.filter(
            status__in=[Status.WAITING, Status.ACTIVE] if value == OPEN else [value]
        )

    def filter_anonymized(
        self, sessions: QuerySet[Session], name: str, value: str
    ) -> QuerySet[Session]:
        return sessions.filter(anonymized_in__isnull=value == "no")

    def filter_withdrawn(
        self, sessions: QuerySet[Session], name: str, value: str
    ) -> QuerySet[Session]:
        events = ConsentEvent.objects.order_by().filter(kind=ConsentEvent.Kind.WITHDRAWN)
        if value == "no":
            return sessions.exclude(Exists(events.filter(session=OuterRef("pk"))))
        return _that_have(events, sessions)

    def filter_version(
        self, sessions: QuerySet[Session], name: str, number: int
    ) -> QuerySet[Session]:
        """Select the sessions that consented to this version.

        If few sessions have it, they are read from the consent events and sorted, because all of
        them may be old. If many have it, reading the sessions newest first fills a page quickly.
        """
        texts = ConsentText.objects.filter(version__number=number, version__kind=TextKind.CONSENT)
        if webchat := self.form.cleaned_data.get("webchat"):
            texts = texts.filter(version__webchat=webchat)
        given = ConsentEvent.objects.order_by().filter(
            kind=ConsentEvent.Kind.GIVEN, text__in=list(texts.values_list("pk", flat=True))
        )
        return _that_have(given, sessions)


def _that_have(events: QuerySet[ConsentEvent], sessions: QuerySet[Session]) -> QuerySet[Session]:
    if events[: _FEW + 1].count() <= _FEW:
        # The LIMIT keeps PostgreSQL from reading all sessions in their order instead.
        return sessions.filter(pk__in=events.values("session")[:_FEW])
    return sessions.filter(Exists(events.filter(session=OuterRef("pk"))))


def only_filters(query: str) -> str:
    """Return the part of an arbitrary query string that the Sessions table's filters accept."""
    return SessionFilters(QueryDict(query), queryset=Session.objects.none()).query
