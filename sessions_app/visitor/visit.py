"""Read the data of a visitor's request that are not fields of the form."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.utils.translation import get_language_info
from django.utils.translation.trans_real import parse_accept_lang_header

from sessions_app.gate import Visit
from webchat.models import WebChat

_PARAMETER = "param."
_MAX_PARAMETERS, _MAX_NAME, _MAX_VALUE = 20, 50, 500


def visit_of(request: HttpRequest) -> Visit:
    """Return address, browser, landing page, referrer and parameters of a submit.

    Control characters are removed and parameters are limited in number and length.
    """
    return Visit(
        ip_address=ip_address_of(request),
        user_agent=_printable(request.headers.get("User-Agent", "")),
        landing_page=page_of(request.POST.get("landing_page", "")),
        referrer=page_of(request.POST.get("referrer", "")),
        params=parameters_of(request.POST),
    )


def page_of(address: str) -> str:
    """Return the URL of a page without query, fragment, user name and password.

    Sites write e-mail addresses, names and tokens there, and nobody was told that we store them. A
    site that wants to pass a value uses a parameter.
    """
    page = re.split("[?#]", _printable(address), maxsplit=1)[0]
    return re.sub(r"^(\w+://)[^/]*@", r"\1", page)


def ip_address_of(request: HttpRequest) -> str | None:
    """Return the visitor's IP address.

    X-Forwarded-For is trusted only for the entries that our own proxies wrote.
    """
    addresses = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        addresses = [a.strip() for a in forwarded][-settings.TRUSTED_PROXIES :]
    try:
        return str(ipaddress.ip_address(addresses[0]))
    except ValueError:
        return None


def parameters_of(data: QueryDict) -> dict[str, str]:
    """Return the parameters that the embedding page sent, in fields named ``param.<name>``."""
    fields = [field for field in data if field.startswith(_PARAMETER)]
    named = {
        _printable(field.removeprefix(_PARAMETER))[:_MAX_NAME]: _printable(data.get(field) or "")[
            :_MAX_VALUE
        ]
        for field in fields[:_MAX_PARAMETERS]
    }
    return {name: value for name, value in named.items() if name}


def language_of(request: HttpRequest, webchat: WebChat) -> str:
    """Return the visitor's chosen language, or the browser's preferred one, if it is offered.

    Otherwise return the first language of the WebChat.
    """
    chosen = [request.POST.get("switch"), request.POST.get("language"), request.GET.get("lang")]
    preferred = [
        code for code, _q in parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    ]
    for code in [
        *filter(None, chosen),
        *preferred,
        *(code.partition("-")[0] for code in preferred),
    ]:
        if code in webchat.languages:
            return code
    return webchat.first_language


def language_choices(webchat: WebChat) -> list[tuple[str, str]]:
    """Return code and native name of each language of the WebChat."""
    return [
        (code, get_language_info(code)["name_local"].capitalize()) for code in webchat.languages
    ]


def _printable(text: str) -> str:
    """Remove control characters and lone surrogates. PostgreSQL refuses them; nobody types them."""
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cs"})
