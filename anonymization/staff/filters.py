"""The filters of the list of erasures."""

from __future__ import annotations

import django_filters
from django.utils.translation import gettext_lazy as _

from anonymization.models import Erasure, Source
from lib.filters import DayFilter, Filters


class ErasureFilters(Filters):
    """Filter by period and source."""

    since = DayFilter(label=_("From"), method="filter_since")
    until = DayFilter(label=_("To"), method="filter_until")
    door = django_filters.ChoiceFilter(
        label=_("Source"), choices=Source.choices, empty_label=_("All")
    )

    class Meta(Filters.Meta):
        model = Erasure
        fields: list[str] = []
