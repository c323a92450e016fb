"""The home page, error pages, the favicon and the health checks."""

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
    """Show the figures that the staff member may see."""
    return render(request, "home.html", {"figures": figures_for(request.user)})


#: The templates for status 404 on visitors' paths. They have no links to staff pages.
VISITORS_404 = {
    "/w/": "visitor_errors/404.html",
    "/r/": "sessions_app/visitor/gone.html",
    "/c/": "sessions_app/visitor/nothing_stored.html",
}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 with a page for visitors or staff, according to the path."""
    template = VISITORS_404.get(request.path_info[:3], "404.html")
    return render(request, template, status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 503 if the database is unavailable, and 500 to any other failure."""
    if isinstance(sys.exc_info()[1], AWAY):
        return closed(request, ["database"])
    return server_error(request)


@require_safe
@cache_control(public=True, max_age=86400)
def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect requests for the default name to the icon.

    The documents of consent texts do not link an icon and never change.
    """
    return redirect(static("look/favicon.svg"))


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process serves requests. Does not use the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the process can do all of its work, otherwise 503 with the ids of the problems.

    ``?verbose`` adds the jobs of cron that failed or are overdue to the warnings.
    Warnings do not change the status: a load balancer would otherwise remove all processes and so
    close the chat.
    """
    try:
        problems = readiness.problems()
        # A missing migration may create the table that these checks read.
        warnings = [] if "migrations" in problems else readiness.lesser_problems()
        if "verbose" in request.GET and "migrations" not in problems:
            warnings = warnings + readiness.job_problems()
    except Error:
        problems, warnings = ["database"], []
    found = {"ready": not problems, "problems": problems, "warnings": warnings}
    return JsonResponse(found, status=503 if problems else 200)
