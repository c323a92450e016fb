"""Which sites may show a page of the visitor's side in a frame. Every other page says DENY, by the settings."""

from __future__ import annotations

from collections.abc import Sequence

from csp.constants import SELF
from django.http.response import HttpResponseBase

#: What a header may hold of origins: proxies refuse an answer whose headers are longer than a few thousand bytes.
MAX_LENGTH = 3000


def let_frame(response: HttpResponseBase, ancestors: Sequence[str]) -> None:
    """Let a response be shown within pages of these origins alone; with none of them, within no page at all.

    ``X-Frame-Options`` can't name an origin, so that it is left out where ``frame-ancestors`` names some (CSP 3,
    6.4.2.1: browsers that know the directive ignore the header). More origins than a header may hold are none.
    """
    if not ancestors or len(" ".join(ancestors)) > MAX_LENGTH:
        return
    replaced = getattr(response, "_csp_replace", None) or {}
    response._csp_replace = replaced | {"frame-ancestors": list(ancestors)}  # type: ignore[attr-defined]
    if list(ancestors) == [SELF]:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
    else:
        response.xframe_options_exempt = True  # type: ignore[attr-defined]
