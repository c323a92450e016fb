"""Middleware: rules before a view runs, and pages for empty error responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation

from anonymization.ledger.recording import Unsettled
from mluvii_gdpr.readiness import guard_problems, ledger_problems
from webchat.framing import let_frame
from webchat.models import WebChat

#: The prefixes of the paths of visitors' pages.
VISITORS = ("/w/", "/r/", "/c/")
#: The exceptions of Django while the database is unavailable. A lock timeout raises them too; such
#: a request can also be tried again.
AWAY = (OperationalError, InterfaceError)
#: These paths are answered without the database, even if the browser sends a login cookie.
HEALTH = ("/livez", "/readyz")
#: The names of the routes that a website opens in a frame. The error page for a closed chat must be
#: visible there too.
FRAMED = ("entry", "showroom")


def _of_the_side(request: HttpRequest, template: str) -> str:
    """Return the template for visitors' or for staff pages, according to the path.

    A visitor's page does not read cookies and has no links to staff pages.
    """
    return f"visitor_errors/{template}" if request.path_info.startswith(VISITORS) else template


class RoomyStack:
    """Handle the request where Python's stack has room for it.

    CPython keeps its stack in chunks of 16 kB (3.11 to 3.14, cpython 142183). A loop that calls
    functions at the end of a chunk maps and unmaps a new chunk in each call, which makes calls a
    hundred times slower. Rendering a template is deep enough to reach that place.
    The frame of this middleware does not fit into 16 kB, so that it gets a larger chunk. Half of
    that chunk is left for all other frames of the request.
    """

    #: A word has 8 bytes: this is the smallest size that gets a chunk of 256 kB.
    WORDS = 2**14

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    __call__.__code__ = __call__.__code__.replace(co_stacksize=WORDS)


class Devices:
    """Forbid all pages to use camera, microphone, location and screen capture.

    The page of an open call sets its own header.
    """

    NONE = "camera=(), display-capture=(), geolocation=(), microphone=()"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", self.NONE)
        return response


class BodyLimits:
    """Read forms as UTF-8, and reject a body that is announced as too large.

    The declared charset is ignored. Our pages are UTF-8, so their forms are too (HTML, 4.10.21.8);
    a declared codec, for example ``rot13``, breaks the parser. A view class sets another limit in
    bytes as ``max_body``, a function with ``lib.pages.limit_body``. None means that the view itself
    checks the size.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "charset" in (request.content_params or {}):
            request.encoding = settings.DEFAULT_CHARSET
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        owner = getattr(view, "view_class", view)
        limit = getattr(owner, "max_body", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if limit is not None and announced.isdecimal() and int(announced) > limit:
            return render(request, _of_the_side(request, "413.html"), status=413)
        return None


class StaffLanguage:
    """Show the staff pages in the language that the user chose, which the login session stores.

    Visitors' pages have their own language. For these paths the login session is not read.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith((*VISITORS, *HEALTH)) or not request.session.get(
            "language"
        ):
            return self.get_response(request)
        request.LANGUAGE_CODE = request.session["language"]
        with translation.override(request.LANGUAGE_CODE):
            response = self.get_response(request)
        response.headers["Content-Language"] = request.LANGUAGE_CODE
        return response


class DatabaseAway:
    """Answer 503 if a view fails because the database is unavailable.

    Failures in other middleware are answered by ``mluvii_gdpr.views.failed``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Unsettled):
            return closed(request, ["unsettled"])
        return closed(request, ["database"]) if isinstance(exception, AWAY) else None


class ClosedInstallation:
    """Close the installation while its database must not be used.

    Either the database does not match the external copy of the ledger: a restored backup contains
    persons who were erased after the backup was made. Or it lacks the triggers that refuse to
    change published texts and anonymized rows. Health checks, login and the page that replays the
    erasures remain available. All other paths answer 503, to programs as JSON.
    """

    #: The names of the routes that remain available.
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

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match and match.view_name in self.OPEN:
            return None
        try:
            problems = guard_problems() or ledger_problems()
        except Error:
            problems = ["database"]
        return closed(request, problems) if problems else None


#: What programs are told if the ledger is not the reason.
_WITHOUT_LEDGER = {
    "database": "The database does not answer.",
    "unsettled": "The erasure failed. It may still be completed automatically.",
    "triggers": "The database lacks its triggers.",
}


def closed(request: HttpRequest, problems: list[str]) -> HttpResponse:
    """Answer 503 with a page for visitors or staff, or as JSON for programs.

    ``problems`` are ids of ``/readyz``, or ``unsettled`` for an erasure whose outcome is unknown.
    """
    headers = {"Retry-After": "60", "Cache-Control": "no-store"}
    if request.path_info.startswith(("/api/", "/login/connect/")):
        detail = (
            "The database is not the one that the external copy of the ledger of erasures knows."
        )
        detail = _WITHOUT_LEDGER.get(problems[0], detail)
        return JsonResponse({"detail": detail}, status=503, headers=headers)
    page = render(request, _of_the_side(request, "503.html"), {"problem": problems[0]}, status=503)
    match = request.resolver_match
    if match and match.view_name in FRAMED and problems[0] not in _WITHOUT_LEDGER:
        webchat = WebChat.objects.filter(public_id=match.kwargs["public_id"]).first()
        let_frame(page, webchat.origins if webchat else [])
    for name, value in headers.items():
        page.headers[name] = value
    return page


class MethodPages:
    """Show a page if a view answers 405 without content. Status and ``Allow`` remain.

    Only browsers ask for ``text/html`` explicitly. Programs, which send ``*/*`` or nothing, receive
    the empty response.
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
