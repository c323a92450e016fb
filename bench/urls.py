"""The product's routes, and the baseline that no view can beat: bytes that are there already."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from mluvii_gdpr.urls import urlpatterns as product

#: What the next request for a constant is answered with.
CONSTANT = {"body": b"", "status": 200}


@csrf_exempt
def constant(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        CONSTANT["body"], status=CONSTANT["status"], content_type="application/json"
    )


urlpatterns = [*product, path("bench/constant", constant)]
