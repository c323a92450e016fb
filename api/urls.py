"""URLs of Settings > API clients, of the token endpoint, and of the API description."""

from django.urls import path

from api import views
from api.oauth import ClientTokenView
from api.routes import call
from api.schema import SchemaView
from lib import ids  # noqa: F401  registers the converter "id"

urlpatterns = [
    path("settings/api/", views.list_clients, name="api_clients"),
    path("settings/api/add/", views.add_client, name="api_client_add"),
    path("settings/api/<id:pk>/", views.client_detail, name="api_client"),
    path("settings/api/<id:pk>/revoke/", views.revoke_client, name="api_client_revoke"),
    path("settings/api/<id:pk>/seen/", views.mark_limits_seen, name="api_limits_seen"),
    call("login/connect/token", ClientTokenView.as_view(), "api_token"),
    path("api/", views.documentation, name="api_documentation"),
    path("api/schema", SchemaView.as_view(), name="api_schema"),
]
