"""API clients in the Django admin, read-only.

They are created and revoked under Settings > API clients.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.db.models import Model
from django.http import HttpRequest
from oauth2_provider import models as oauth

from api.models import ApiClient

# The pages of the package could create clients with grants that this product refuses. Its other
# lists are of no use to staff members.
for model in (
    ApiClient,
    oauth.AccessToken,
    oauth.Grant,
    oauth.IDToken,
    oauth.RefreshToken,
    oauth.DeviceGrant,
):
    try:
        admin.site.unregister(model)
    except NotRegistered:
        continue


@admin.register(ApiClient)
class ApiClientAdmin(admin.ModelAdmin):
    fields = (
        "id",
        "client_id",
        "name",
        "rights",
        "created",
        "created_by",
        "last_used_at",
        "revoked_at",
        "revoked_by",
    )
    list_display = ("id", "name", "last_used_at", "revoked_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
