"""The filters of the list of erasures."""

from __future__ import annotations

from datetime import date

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from anonymization.models import Erasure, Ground, Source
from lib.filters import DayFilter, Filters


class ErasureFilters(Filters):
    """Filter by period, source and ground.

    The period compares days, because the exact time of a record is cleared when its period is over.
    """

    since = DayFilter(label=_("From"), method="filter_since")
    until = DayFilter(label=_("To"), method="filter_until")
    door = django_filters.ChoiceFilter(
        label=_("Source"), choices=Source.choices, empty_label=_("All")
    )
    ground = django_filters.ChoiceFilter(
        label=_("Ground"), choices=Ground.choices, empty_label=_("All")
    )

    class Meta(Filters.Meta):
        model = Erasure
        fields: list[str] = []

    def filter_since(self, rows: QuerySet, name: str, day: date) -> QuerySet:
        return rows.filter(day__gte=day)

    def filter_until(self, rows: QuerySet, name: str, day: date) -> QuerySet:
        return rows.filter(day__lte=day)
