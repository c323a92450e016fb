"""The token endpoint, for client credentials only (RFC 6749 section 4.4, RFC 9700).

A token has the requested scopes that are granted. Without a requested scope, it has all rights of
the client. It never has more than these.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.models import get_access_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes
from oauth2_provider.views import TokenView

from api import services
from api.models import Right

#: Programs written for mluvii request this scope to receive all their rights.
EVERYTHING = "mluviiPublicApi"


class Scopes(BaseScopes):
    """The scopes are the rights of the requesting client."""

    def get_all_scopes(self) -> dict[str, str]:
        return {right.value: str(right.label) for right in Right}

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kw: Any
    ) -> list[str]:
        return list(application.rights) if application else []

    def get_default_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kw: Any
    ) -> list[str]:
        return self.get_available_scopes(application)


class Validator(OAuth2Validator):
    """Extend the validator of the package: reject revoked clients."""

    def _load_application(self, client_id: str, request: Any) -> Any:
        if not client_id or "\0" in client_id:
            return None
        client = super()._load_application(client_id, request)
        if client is not None and client.revoked_at is not None:
            request.client = None
            return None
        return client

    def validate_scopes(
        self,
        client_id: str,
        scopes: list[str],
        client: Any,
        request: Any,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        named = [scope for scope in scopes if scope]
        # A parameter without a value is treated as omitted (RFC 6749 section 3.2).
        if not named or EVERYTHING in named:
            named = list(
                dict.fromkeys([*(scope for scope in named if scope != EVERYTHING), *client.rights])
            )
        request.scopes = scopes = named
        return super().validate_scopes(client_id, scopes, client, request, *args, **kwargs)

    def save_bearer_token(
        self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Store the hash of the token, and delete expired tokens of the client."""
        tokens = get_access_token_model().objects
        tokens.filter(application=request.client, expires__lt=timezone.now()).delete()
        super().save_bearer_token(token, request, *args, **kwargs)
        services.note_use(request.client)
        services.forget_old_keys()


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class ClientTokenView(TokenView):
    """``POST /login/connect/token``: issue a token.

    Status codes:

    - 200: a token
    - 400 or 401: an ``error`` of RFC 6749 section 5.2
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_plain(request):
            return JsonResponse({"error": "invalid_request"}, status=400)
        with translation.override("en"):
            response = self.authorization_flow_token_response(request)
        response.headers["Content-Type"] = "application/json"
        return response


def _is_plain(request: HttpRequest) -> bool:
    """Return whether a token request is a readable form.

    Each parameter must be present only once (RFC 6749 section 3.2), and none may be in the URL.
    """
    try:
        form = request.POST
    except (SuspiciousOperation, MultiPartParserError):
        return False
    texts = [text for name, values in form.lists() for text in (name, *values)]
    repeated = any(len(values) > 1 for _name, values in form.lists())
    return not (request.META.get("QUERY_STRING") or repeated or any("\0" in text for text in texts))
