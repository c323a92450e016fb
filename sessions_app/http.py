"""Parts of requests and responses that the visitor pages and the staff pages share."""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from sessions_app.limits import TooOften
from sessions_app.models import Attachment

logger = logging.getLogger(__name__)

#: A page may ask for camera and microphone, but only for its own origin. In a frame on a site, the
#: site must allow it too.
ALLOWED = "camera=(self), display-capture=(), geolocation=(), microphone=(self)"


def let_use_devices(response: HttpResponseBase) -> None:
    """Let a page ask for camera and microphone.

    ``mluvii_gdpr.middleware.Devices`` forbids it for all other pages.
    """
    response.headers["Permissions-Policy"] = ALLOWED


def stream_address(request: HttpRequest, place: str) -> str:
    """Return the URL of a stream (for example ``live/``) on the host name of the request."""
    host = split_domain_port(request.get_host())[0]
    return settings.EVENTS_URL.replace("{host}", host) + place


def too_often() -> str:
    """Return what a form says if one side of a conversation has reached a limit."""
    return _("You have sent too much within a minute. Please wait a moment and send it again.")


def retry_after(response: HttpResponse, refused: TooOften) -> HttpResponse:
    """Add when a request that reached a limit may be sent again."""
    response.headers["Retry-After"] = str(refused.retry_after)
    return response


def is_fetched(request: HttpRequest) -> bool:
    """Return whether static/conversation/composer.js sent the form.

    The script reads errors from the returned page, and receives 204 instead of 302.
    """
    return request.headers.get("X-Fetched") == "1"


def is_from_another_origin(request: HttpRequest) -> bool:
    """Return whether the browser says that a page of another origin sent the request.

    ``Sec-Fetch-Site`` comes from every current browser under HTTPS, ``Origin`` from older ones and
    over HTTP. Programs that are not browsers send neither, and nobody can send a form through them. A
    page in a sandbox has the origin ``null``. A sibling domain ("same-site") is another origin.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin != f"{request.scheme}://{request.get_host()}"


def file_response(attachment: Attachment) -> FileResponse | None:
    """Return the file as a download that a browser never displays as a page of this origin.

    Return None if the stored file is missing or cannot be read. The caller shows a page about it.
    """
    try:
        stored = attachment.file.open("rb")
    except FileNotFoundError:
        logger.error("the stored file of attachment %d is missing", attachment.pk)
        return None
    except OSError:
        logger.exception("the stored file of attachment %d could not be read", attachment.pk)
        return None
    response = FileResponse(
        stored,
        as_attachment=True,
        filename=attachment.original_name,
        content_type=attachment.content_type,
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
