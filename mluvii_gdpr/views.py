"""The home page, what is not found, what a browser asks on its own, and what a load balancer asks."""

import sys

from django.contrib.auth.decorators import login_required
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from django.views.defaults import server_error

from mluvii_gdpr import readiness
from mluvii_gdpr.home import figures_for
from mluvii_gdpr.middleware import AWAY, closed


@login_required
@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """What matters now, as far as the staff member may see it."""
    return render(request, "home.html", {"figures": figures_for(request.user)})


#: What is answered below the visitor's addresses when nothing is found there: never a way to the staff pages.
VISITORS_404 = {
    "/w/": "visitor_errors/404.html",
    "/r/": "sessions_app/visitor/gone.html",
    "/c/": "sessions_app/visitor/nothing_stored.html",
}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 in the look of the side that was asked."""
    template = VISITORS_404.get(request.path_info[:3], "404.html")
    return render(request, template, status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 503 when the database is away, 500 to any other failure."""
    if isinstance(sys.exc_info()[1], AWAY):
        return closed(request, ["database"])
    return server_error(request)


@require_safe
@cache_control(public=True, max_age=86400)
def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to the icon whoever asks by the old name: documents of consent texts name none, and never change."""
    return redirect(static("look/favicon.svg"))


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process serves requests; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the process can do all of its work; otherwise 503 with the ids of what is wrong.

    Warnings change no status: a load balancer that took all processes out for them would close the chat.
    """
    try:
        problems = readiness.problems()
        # Their table may be one that is not made yet.
        warnings = [] if "migrations" in problems else readiness.lesser_problems()
    except Error:
        problems, warnings = ["database"], []
    found = {"ready": not problems, "problems": problems, "warnings": warnings}
    return JsonResponse(found, status=503 if problems else 200)
