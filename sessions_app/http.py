"""Parts of requests and responses that the pages of visitors and of staff share."""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase

from sessions_app.models import Attachment

#: A page may ask for camera and microphone, itself alone: within a site's frame, if that lets it too.
ALLOWED = "camera=(self), display-capture=(), geolocation=(), microphone=(self)"


def let_use_devices(response: HttpResponseBase) -> None:
    """Let a page ask for camera and microphone; no other may, by ``mluvii_gdpr.middleware.Devices``."""
    response.headers["Permissions-Policy"] = ALLOWED


def stream_address(request: HttpRequest, place: str) -> str:
    """Return the address of a stream such as ``live/``, by the host name that the page was asked by."""
    host = split_domain_port(request.get_host())[0]
    return settings.EVENTS_URL.replace("{host}", host) + place


def is_fetched(request: HttpRequest) -> bool:
    """Return whether static/conversation/composer.js sent the form.

    The script reads errors from the page, and gets 204 instead of 302.
    """
    return request.headers.get("X-Fetched") == "1"


logger = logging.getLogger(__name__)


def file_response(attachment: Attachment) -> FileResponse:
    """Return the file as a download that no browser opens as a page of ours.

    Raises:
        Http404: the stored object is missing or can't be read.
    """
    try:
        stored = attachment.file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    except OSError:
        logger.exception("a stored file could not be read")
        raise Http404 from None
    response = FileResponse(
        stored, as_attachment=True, filename=attachment.original_name, content_type=attachment.content_type
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
