"""Sessions and guests in the standard Django admin: read-only, for superusers, no personal data.

Anonymization uses the same confirmation page as everywhere. Search results are counted only up to a
limit. "Select all" is refused, because it would apply an action to every row of the table.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anonymization.models import Source
from lib.ids import is_id
from sessions_app.chosen import ChoiceRefused, chosen_ids
from sessions_app.models import Guest, Session

_COUNTED = 2000


class BoundedPaginator(Paginator):
    """Paginate the first rows only, because a full count or offset is slow in a large table."""

    @cached_property
    def count(self) -> int:
        return QuerySet.count(self.object_list[:_COUNTED])  # type: ignore[arg-type]


class ReadOnlyAdmin(admin.ModelAdmin):
    """A read-only list that can be searched by id and filtered only by declared filters."""

    actions: Any = ("anonymize",)
    list_per_page = 50
    list_max_show_all = 0
    paginator = BoundedPaginator
    search_fields = ("id",)
    search_help_text = gettext_lazy("Search by id.")
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()
    filterable: frozenset[str] = frozenset()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only declared filters. With others, values could be guessed letter by letter."""
        return lookup in self.filterable

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search by the exact id only, because a text search would read every row."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return (queryset.filter(pk=int(term)) if is_id(term) else queryset.none()), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Refuse NUL in a filter of the URL, because PostgreSQL raises an error for it."""
        if any("\0" in value for _name, values in request.GET.lists() for value in values):
            raise BadRequest
        return super().changelist_view(request, extra_context)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Refuse an invalid selection. The admin itself would raise an error for it."""
        try:
            chosen_ids(request.POST.getlist(ACTION_CHECKBOX_NAME))
        except ChoiceRefused as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)

    def view_on_site(self, obj: Any) -> str:
        return obj.get_absolute_url()

    @admin.action(description=gettext_lazy("Anonymize selected %(verbose_name_plural)s"))
    def anonymize(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Redirect to the confirmation page. Nothing is changed before the person confirms."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.POST.get("select_across", "0") != "0":
            messages.error(
                request, _("You can't anonymize all pages at once. Select the rows one by one.")
            )
            return None
        keys = list(queryset.filter(pk__in=chosen).order_by("pk").values_list("pk", flat=True))
        return self.confirm(request, keys)

    def confirm(self, request: HttpRequest, keys: list[int]) -> HttpResponse | None:
        raise NotImplementedError


def _confirm_page(name: str, key: int) -> HttpResponse:
    return HttpResponseRedirect(
        f"{reverse(name, args=[key])}?{urlencode({'door': Source.ADMIN.value})}"
    )


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    fields = (
        "id", "webchat", "channel", "status", "language", "created_at", "accepted_at", "ended_at", "ended_by",
        "duration", "operator", "messages_visitor", "messages_operator", "attachments_count", "anonymized_in",
    )  # fmt: skip
    filterable = frozenset(
        {"webchat__id__exact", "channel__exact", "status__exact", "anonymized_in__isempty"}
    )
    list_display = ("id", "webchat", "channel", "status", "created_at", "operator", "anonymized_in")
    list_filter = ("webchat", "channel", "status", ("anonymized_in", admin.EmptyFieldListFilter))
    list_select_related = ("webchat", "operator")

    def confirm(self, request: HttpRequest, keys: list[int]) -> HttpResponse | None:
        if len(keys) == 1:
            return _confirm_page("session_anonymize", keys[0])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Anonymize sessions"),
            "opts": self.model._meta,
            "keys": keys,
            "door": Source.ADMIN,
        }
        return TemplateResponse(request, "sessions_app/staff/admin_anonymize.html", context)


@admin.register(Guest)
class GuestAdmin(ReadOnlyAdmin):
    fields = ("id", "created_at", "anonymized_in")
    filterable = frozenset({"anonymized_in__isempty"})
    list_display = ("id", "created_at", "anonymized_in")
    list_filter = (("anonymized_in", admin.EmptyFieldListFilter),)

    def confirm(self, request: HttpRequest, keys: list[int]) -> HttpResponse | None:
        if len(keys) == 1:
            return _confirm_page("guest_anonymize", keys[0])
        messages.error(request, _("Guests are anonymized one at a time. Select one guest."))
        return None
