"""What is decided of a request before its view runs, and of an answer that says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation

from mluvii_gdpr.readiness import ledger_problems
from webchat.framing import let_frame
from webchat.models import WebChat

#: How the addresses of visitors' pages begin.
VISITORS = ("/w/", "/r/", "/c/")
#: What Django raises while the database is away. Also of a lock that took too long: to be tried again as well.
AWAY = (OperationalError, InterfaceError)
#: What answers without the database, also to a browser with the cookie of a login.
HEALTH = ("/livez", "/readyz")
#: What a site opens in a frame, by name of the route: there a visitor must see that the chat is closed, too.
FRAMED = ("entry", "showroom")


def _of_the_side(request: HttpRequest, template: str) -> str:
    """Return the template for the side that was asked; a visitor's page reads no cookie and leads to no staff page."""
    return f"visitor_errors/{template}" if request.path_info.startswith(VISITORS) else template


class Devices:
    """Let no page use camera, microphone, place or screen; that of an open call says otherwise by itself."""

    NONE = "camera=(), display-capture=(), geolocation=(), microphone=()"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", self.NONE)
        return response


class BodyLimits:
    """Read forms as UTF-8, whatever a request declares, and refuse a body that is announced as too large.

    Our pages are UTF-8, so are their forms (HTML, 4.10.21.8); a declared codec such as ``rot13`` breaks the parser.
    A view class that takes files names its limit in bytes as ``max_body``; None: it decides by itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "charset" in (request.content_params or {}):
            request.encoding = settings.DEFAULT_CHARSET
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        view_class = getattr(view, "view_class", None)
        limit = getattr(view_class, "max_body", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if limit is not None and announced.isdecimal() and int(announced) > limit:
            return render(request, _of_the_side(request, "413.html"), status=413)
        return None


class StaffLanguage:
    """Show the staff pages in the language that their user chose; the login keeps it.

    Visitors' pages have a language of their own, and a login is not even looked for.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith((*VISITORS, *HEALTH)) or not request.session.get("language"):
            return self.get_response(request)
        request.LANGUAGE_CODE = request.session["language"]
        with translation.override(request.LANGUAGE_CODE):
            response = self.get_response(request)
        response.headers["Content-Language"] = request.LANGUAGE_CODE
        return response


class DatabaseAway:
    """Answer 503 where a view fails because the database is away. Other middleware: ``mluvii_gdpr.views.failed``."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return closed(request, ["database"]) if isinstance(exception, AWAY) else None


class RestoredDatabase:
    """Close the installation while its database is not the one that the external copy of the ledger knows.

    A restored backup holds people who were erased since. Health, login and the page that replays the erasures stay
    open; all else is 503, to a program as JSON.
    """

    #: By name of the route.
    OPEN = frozenset(
        {
            "livez",
            "readyz",
            "favicon",
            "erasure_replay",
            "account_login",
            "account_logout",
            "account_reauthenticate",
            "mfa_authenticate",
            "mfa_reauthenticate",
        }
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        if settings.ERASURE_LEDGER_DIR is None or (match and match.view_name in self.OPEN):
            return None
        try:
            problems = ledger_problems()
        except Error:
            problems = ["database"]
        return closed(request, problems) if problems else None


def closed(request: HttpRequest, problems: list[str]) -> HttpResponse:
    """Answer 503 in the look of the side that was asked, to a program as JSON; the problems are ids of ``/readyz``."""
    headers = {"Retry-After": "60", "Cache-Control": "no-store"}
    if request.path_info.startswith(("/api/", "/login/connect/")):
        detail = "The database is not the one that the external copy of the ledger of erasures knows."
        if problems == ["database"]:
            detail = "The database does not answer."
        return JsonResponse({"detail": detail}, status=503, headers=headers)
    page = render(request, _of_the_side(request, "503.html"), {"problem": problems[0]}, status=503)
    match = request.resolver_match
    if match and match.view_name in FRAMED and problems != ["database"]:
        webchat = WebChat.objects.filter(public_id=match.kwargs["public_id"]).first()
        let_frame(page, webchat.origins if webchat else [])
    for name, value in headers.items():
        page.headers[name] = value
    return page


class MethodPages:
    """Give a browser a page where a view answers 405 without a word; status and ``Allow`` stay.

    Only a browser asks for HTML by name: what says ``*/*`` or nothing, as programs do, gets the bare answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 405 or response.streaming or response.content:
            return response
        if "text/html" not in request.headers.get("Accept", ""):
            return response
        page = render(request, _of_the_side(request, "405.html"), status=405)
        page.headers["Allow"] = response.headers.get("Allow", "")
        return page
