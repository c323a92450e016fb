"""Set which sites may show a visitor page in a frame. By default, no page may be framed (DENY)."""

from __future__ import annotations

from collections.abc import Sequence

from csp.constants import SELF
from django.http.response import HttpResponseBase

#: The maximum length of the origins in a header. Proxies refuse an answer with headers longer than
#: a few thousand bytes.
MAX_LENGTH = 3000


def let_frame(response: HttpResponseBase, ancestors: Sequence[str]) -> None:
    """Allow pages of these origins to show the response in a frame. Without origins, none may.

    ``X-Frame-Options`` cannot name an origin. It is therefore omitted if ``frame-ancestors`` names
    origins (CSP 3, 6.4.2.1: browsers that support the directive ignore the header). If the origins
    are too long for a header, no page may show the response.
    """
    if not ancestors or len(" ".join(ancestors)) > MAX_LENGTH:
        return
    replaced = getattr(response, "_csp_replace", None) or {}
    response._csp_replace = replaced | {"frame-ancestors": list(ancestors)}  # type: ignore[attr-defined]
    if list(ancestors) == [SELF]:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
    else:
        response.xframe_options_exempt = True  # type: ignore[attr-defined]
