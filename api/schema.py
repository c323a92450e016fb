"""The common part of the OpenAPI description of all calls."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

#: The meaning of an error response, by status.
REFUSALS = {
    400: "A parameter or field is wrong or unknown; it is named.",
    401: "No valid token.",
    403: "The client lacks the right.",
    404: "There is no such record.",
    409: "The idempotency key was used for another request.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "The client erased as much as it may within an hour. Retry-After says in seconds when to go on.",
}


#: An object of strings: the name of a parameter or field, or ``detail``, and a message.
_REFUSAL = {"type": "object", "additionalProperties": {"type": "string"}}


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """Return the error responses with these statuses, for the description of a call."""
    return {status: OpenApiResponse(_REFUSAL, REFUSALS[status]) for status in statuses}


class ClientCredentials(OpenApiAuthenticationExtension):
    """Describe how a program receives a token."""

    target_class = "api.rest.ClientAuthentication"
    name = "clientCredentials"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        from api.models import Right

        scopes = {right.value: right.name.replace("_", " ").capitalize() for right in Right}
        return {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/login/connect/token", "scopes": scopes}},
        }

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        return {self.name: [auto_schema.view.right.value]}


class SchemaView(SpectacularAPIView):
    """``GET /api/schema``: the OpenAPI description as YAML, or as JSON if the client accepts JSON.

    It is public.
    """

    http_method_names = ["get", "head"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(_description())


@cache
def _description() -> dict[str, Any]:
    """Return the description, which is the same for all clients while the process runs."""
    with translation.override("en"):
        description: dict[str, Any] = SpectacularAPIView.generator_class().get_schema(public=True)
    return description


def only_the_api(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Return the endpoints below /api/v1/."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]
