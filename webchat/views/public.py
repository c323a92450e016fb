"""The public resources of a WebChat: consent texts, colors, logo, and the script for sites.

No cookie is read or set. The resources of an archived WebChat are still served: the texts are
permanent evidence, and a conversation may still be open.
"""

from __future__ import annotations

import logging
import mimetypes

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import translation
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from webchat.consent_html import sha256_hex
from webchat.models import ConsentText, WebChat
from webchat.theme import theme_css as css_of
from webchat.widget import script_of

logger = logging.getLogger(__name__)

FOR_EVER = "public, max-age=31536000, immutable"
SHORTLY = "public, max-age=300"


@require_safe
def consent_document(
    request: HttpRequest, public_id: str, number: int, lang: str, *, kind: str
) -> HttpResponse:
    """Serve exactly the bytes whose SHA-256 was stored at publication.

    The page of a retired version says so, and shows the text. With ``?exact``, it serves the bytes
    of the publication as before.
    """
    text = get_object_or_404(
        ConsentText.objects.select_related("version__retirement", "version__webchat"),
        version__webchat__public_id=public_id,
        version__kind=kind,
        version__number=number,
        language=lang,
    )
    if text.version.is_retired and "exact" not in request.GET:
        return _retired(request, text)
    response = HttpResponse(text.document.encode(), content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = lang
    # A retirement must be seen soon, so caches ask again. The bytes never change.
    policy = FOR_EVER if "exact" in request.GET else SHORTLY
    return _cached(request, response, etag=text.sha256, policy=policy)


def _retired(request: HttpRequest, text: ConsentText) -> HttpResponse:
    """Return the page of a retired text, in the language of the text."""
    with translation.override(text.language):
        context = {"text": text, "webchat": text.version.webchat}
        response = render(request, "webchat/visitor/retired.html", context)
    response.headers["Content-Language"] = text.language
    return _cached(request, response, etag=f"retired-{text.sha256}", policy=SHORTLY)


@require_safe
def theme_css(request: HttpRequest, public_id: str) -> HttpResponse:
    """Serve the WebChat's colors, which static/visitor/visitor.css uses."""
    webchat = get_object_or_404(WebChat.objects.only("colour"), public_id=public_id)
    css = css_of(webchat.colour)
    response = HttpResponse(css, content_type="text/css; charset=utf-8")
    return _cached(request, response, etag=sha256_hex(css)[:32], policy=SHORTLY)


@require_safe
def widget_js(request: HttpRequest, public_id: str) -> HttpResponse:
    """Serve the script that a site embeds, to any site.

    The page in the frame restricts which sites may show it.
    """
    webchat = get_object_or_404(WebChat, public_id=public_id)
    script = script_of(webchat, base=request.build_absolute_uri("./"))
    response = HttpResponse(script, content_type="text/javascript; charset=utf-8")
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return _cached(request, response, etag=sha256_hex(script)[:32], policy=SHORTLY)


@require_safe
def logo(request: HttpRequest, public_id: str) -> HttpResponse:
    """Serve the logo only as a picture, never as another type."""
    webchat = get_object_or_404(WebChat.objects.only("logo").exclude(logo=""), public_id=public_id)
    try:
        with webchat.logo.open("rb") as file:
            # The file is small, because LOGO_MAX_BYTES limits it.
            picture = file.read()
    except FileNotFoundError:
        raise Http404 from None
    except OSError:
        logger.exception("a logo could not be read")
        raise Http404 from None
    content_type = mimetypes.guess_type(str(webchat.logo.name))[0] or "application/octet-stream"
    response = HttpResponse(picture, content_type=content_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return _cached(request, response, etag=sha256_hex(str(webchat.logo.name))[:32], policy=SHORTLY)


def _cached(
    request: HttpRequest, response: HttpResponse, *, etag: str, policy: str
) -> HttpResponse:
    response.headers["Cache-Control"] = policy
    response.headers["ETag"] = f'"{etag}"'
    not_modified = get_conditional_response(request, etag=f'"{etag}"', response=response)
    return not_modified or response
