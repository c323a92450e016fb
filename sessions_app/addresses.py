"""Where a page finds its event stream."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port


def stream_address(request: HttpRequest, place: str) -> str:
    """Return the address of a stream such as ``live/``, by the host name that the page was asked by."""
    host = split_domain_port(request.get_host())[0]
    return settings.EVENTS_URL.replace("{host}", host) + place
