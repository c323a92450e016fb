"""The common base of all REST API calls: authentication, rights and error responses.

Every response is JSON in English. An error is an object of strings: the name of a parameter, or
``detail``, and a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from oauth2_provider.models import get_access_token_model
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from api import services
from api.models import ApiClient, Right


@dataclass(frozen=True)
class Caller:
    """The program that sent the request, with the rights of its token.

    Rights that the client lost after the token was issued are excluded.
    """

    client: ApiClient
    rights: frozenset[str]
    is_authenticated: bool = True

    @property
    def sees_people(self) -> bool:
        return Right.READ_PERSONAL_DATA in self.rights


def caller_of(request: Request) -> Caller:
    """Return the caller. Call it only after the permissions were checked."""
    caller: Any = request.user
    assert isinstance(caller, Caller)  # noqa: S101  for the type checker
    return caller


class ClientAuthentication(BaseAuthentication):
    """Authenticate with a bearer token in the ``Authorization`` header.

    Tokens in other places are not accepted (RFC 6750 section 2.1; RFC 9700, 4.3.2).
    """

    def authenticate(self, request: Request) -> tuple[Caller, Any] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        checksum = hashlib.sha256(token.strip().encode(errors="replace")).hexdigest()
        tokens = get_access_token_model().objects.select_related("application")
        access = tokens.filter(token_checksum=checksum).first()
        if access is None or access.is_expired() or access.application.revoked_at is not None:
            raise exceptions.AuthenticationFailed(
                "The token is unknown, has expired, or was revoked."
            )
        client = access.application
        services.note_use(client)
        return Caller(client, frozenset(access.scope.split()) & frozenset(client.rights)), access

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class HasRight(BasePermission):
    """Require the right that the view declares.

    A view without a right can be used with any valid token.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, Caller):
            return False
        if view.right is not None:
            require(request, view.right)
        return True


def require(request: Request, right: Right) -> None:
    """Reject a caller without the right.

    Raises:
        PermissionDenied: the token does not have the right.
    """
    if right not in caller_of(request).rights:
        raise exceptions.PermissionDenied(f"This client lacks the right {right.value}.")


class AlwaysJson(BaseContentNegotiation):
    """Use JSON, regardless of the formats that the client accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(
            (
                p
                for p in parsers
                if p.media_type == request.content_type.partition(";")[0].strip().lower()
            ),
            None,
        )

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class BoundedJsonParser(JSONParser):
    """Parse JSON, and reject JSON that is nested too deeply."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("JSON parse error - nested too deeply.") from None


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


@method_decorator(never_cache, name="dispatch")
class ApiView(APIView):
    """A call of the REST API.

    A request is checked in this order: method, token, right, size of the body, parameters.
    """

    authentication_classes = (ClientAuthentication,)
    permission_classes = (HasRight,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (BoundedJsonParser,)
    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "head", "post", "put"]
    right: Right | None = None
    #: The size of the body is checked in ``initial``, which answers in JSON.
    max_body = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            raise exceptions.MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        announced = str(request.META.get("CONTENT_LENGTH") or "0")
        if announced.isdecimal() and int(announced) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge

    @property
    def allowed_methods(self) -> list[str]:
        """Return the methods of the view. HEAD is allowed if GET is."""
        return [
            m.upper() for m in self.http_method_names if hasattr(self, "get" if m == "head" else m)
        ]


class NoSuchCall(ApiView):
    """Answer an unknown path like an unknown id.

    The resolver uses this view if no route matches.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise exceptions.NotFound

    post = put = patch = delete = options = get  # type: ignore[assignment]


def refuse(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the response to an expected error, an object of strings, or None for a bug.

    This is the framework's EXCEPTION_HANDLER.
    """
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, SuspiciousOperation):
        exc = exceptions.ParseError("The request can't be read.")
    response = exception_handler(exc, dict(context))
    if response is not None:
        response.data = _flat(response.data)
    return response


def _flat(data: Any) -> dict[str, str]:
    items = data.items() if isinstance(data, dict) else [("detail", data)]
    return {
        str(name): " ".join(map(str, m)) if isinstance(m, list | tuple) else str(m)
        for name, m in items
    }
