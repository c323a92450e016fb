"""The product's routes, and a view that returns constant bytes as the fastest possible answer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from mluvii_gdpr.urls import urlpatterns as product

#: The answer to the next request for the constant.
CONSTANT = {"body": b"", "status": 200}


@csrf_exempt
def constant(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        CONSTANT["body"], status=CONSTANT["status"], content_type="application/json"
    )


urlpatterns = [*product, path("bench/constant", constant)]
