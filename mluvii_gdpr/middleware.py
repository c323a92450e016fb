"""What is decided of a request before anything reads its body, and of an answer that says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


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
            return render(request, "413.html", status=413)
        return None


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
        page = render(request, "405.html", status=405)
        page.headers["Allow"] = response.headers.get("Allow", "")
        return page
