"""Filters of tables, sent with GET.

They must not accept personal data, because it would be in the URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_filters.fields import ModelChoiceField, ModelChoiceIterator

from lib.days import start_of_day

_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)


class DayFilter(django_filters.Filter):
    """A filter by a local day."""

    field_class = forms.DateField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        wrong = _("Enter a date between 2000 and 2199.")
        kwargs |= {
            "widget": forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
            "input_formats": ["%Y-%m-%d"],
            "validators": [
                MinValueValidator(_FIRST_DAY, wrong),
                MaxValueValidator(_LAST_DAY, wrong),
            ],
            "error_messages": {"invalid": wrong},
        }
        super().__init__(*args, **kwargs)


class _RowsAtOnce(ModelChoiceIterator):
    """The options of a select box, read with one statement.

    On PostgreSQL, Django would open, read and close a cursor, which saves memory only for options
    that are too many to choose from.
    """

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if self.field.empty_label is not None:
            yield "", self.field.empty_label
        yield from map(self.choice, self.queryset.all())


class _RowField(ModelChoiceField):
    iterator = _RowsAtOnce


class RowFilter(django_filters.ModelChoiceFilter):
    """A filter by a row of a small table, as a select box."""

    field_class = _RowField


class FilterForm(forms.Form):
    """The form of the filters. Its ids have a prefix, so that they are unique on the page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "filter_%s"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until and since > until:
            raise ValidationError(_("The start date is after the end date."))
        return values


class Chip(NamedTuple):
    """One active filter: its label, its value, and the query string without it."""

    label: str | Promise
    text: str
    query: str


class Filters(django_filters.FilterSet):
    """The common base of the filters of all tables: active filters as chips, and filters by period.

    A table with a period declares ``since`` and ``until``, and its rows have a ``created_at``.
    """

    class Meta:
        form = FilterForm

    def filter_since(self, rows: QuerySet, name: str, day: date) -> QuerySet:
        return rows.filter(created_at__gte=start_of_day(day))

    def filter_until(self, rows: QuerySet, name: str, day: date) -> QuerySet:
        return rows.filter(created_at__lt=start_of_day(day + timedelta(days=1)))

    @property
    def query(self) -> str:
        """Return the query string of the filters as they were sent, without unknown parameters."""
        return _query({name: self.data.get(name, "") for name in self.filters})

    @property
    def chips(self) -> list[Chip]:
        return list(self._chips())

    def _chips(self) -> Iterator[Chip]:
        if not self.is_valid():
            return
        sent = {name: self.data.get(name, "") for name in self.filters}
        for name, value in self.form.cleaned_data.items():
            if value in (None, ""):
                continue
            choices = (
                dict(getattr(self.form.fields[name], "choices", ()))
                if isinstance(value, str)
                else {}
            )
            text = _in_words(choices.get(value, value))
            yield Chip(self.filters[name].label, text, _query(sent | {name: ""}))


def _in_words(value: object) -> str:
    return date_format(value, "SHORT_DATE_FORMAT") if isinstance(value, date) else str(value)


def _query(values: dict[str, str]) -> str:
    query = QueryDict(mutable=True)
    query.update({name: value for name, value in values.items() if value})
    return query.urlencode()
