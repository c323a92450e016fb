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

#: An IPv6 address in brackets, with or without a port, or an IPv4 address with a port.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
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
    own = _connections(request)[-max(settings.TRUSTED_PROXIES, 1) :]
    address = _parsed(own[0])
    return str(address) if address else None


def address_to_limit(request: HttpRequest) -> str | None:
    """Return the visitor's address as limits count it, or None if it may be the one of a proxy.

    Behind a proxy that TRUSTED_PROXIES does not count, all visitors have the proxy's address. They
    would share one limit. An IPv6 address is counted by its network of 64 bits, because a visitor
    can choose the rest of it.
    """
    trusted = settings.TRUSTED_PROXIES
    connections = _connections(request)
    if len(connections) < trusted or (not trusted and settings.HTTPS):
        # A proxy is missing, or terminates HTTPS and is not counted.
        return None
    address = _parsed(connections[-max(trusted, 1)])
    named_before = connections[: -max(trusted, 1)] or (
        not trusted and "X-Forwarded-For" in request.headers
    )
    if address is None or (named_before and not address.is_global):
        return None
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _connections(request: HttpRequest) -> list[str]:
    """Return the addresses of the connections up to this application, the outermost first."""
    if not settings.TRUSTED_PROXIES:
        return [request.META.get("REMOTE_ADDR", "")]
    return request.headers.get("X-Forwarded-For", "").split(",")


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address. Some proxies add the port, and IPv6 addresses are then in brackets."""
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        # An interface ("%eth0") means something on one machine only. PostgreSQL refuses it.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


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
