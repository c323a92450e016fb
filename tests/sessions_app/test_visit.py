"""Test the visitor's address: only the addresses that our own proxies appended count."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from sessions_app.visitor.visit import address_to_limit, ip_address_of

PROXY, OUTER, VISITOR, INVENTED = "10.0.0.1", "198.51.100.2", "203.0.113.7", "192.0.2.66"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        # Without a proxy, the connecting address is the visitor. The header is ignored.
        (0, None, PROXY),
        (0, INVENTED, PROXY),
        # One proxy appended the address that connected to it.
        (1, VISITOR, VISITOR),
        (1, f"{INVENTED}, {VISITOR}", VISITOR),
        (1, f"{INVENTED},{VISITOR} ", VISITOR),
        (1, "2001:DB8::7", "2001:db8::7"),
        # Some proxies add the port, and IPv6 addresses are then in brackets.
        (1, f"{VISITOR}:4711", VISITOR),
        (1, f"{INVENTED}:1, {VISITOR}:65535 ", VISITOR),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "[2001:db8::7]", "2001:db8::7"),
        (1, f"::ffff:{VISITOR}", VISITOR),
        (1, "fe80::7%eth0", "fe80::7"),
        # The inner of two proxies appended the address of the outer one.
        (2, f"{VISITOR}, {OUTER}", VISITOR),
        (2, f"{INVENTED}, {VISITOR}, {OUTER}", VISITOR),
        # A value that none of our proxies wrote is not an address.
        (1, None, None),
        (1, "", None),
        (1, "unknown", None),
        (1, f"{VISITOR}, <script>", None),
        (1, f"{VISITOR}:", None),
        (1, f"{VISITOR}:http", None),
        (1, "[2001:db8::7", None),
        (1, "[]:80", None),
    ],
)
def test_address(settings: Any, proxies: int, forwarded: str | None, address: str | None) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert ip_address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=PROXY)) == address


def test_without_an_address_there_is_none(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    assert ip_address_of(RequestFactory().get("/", REMOTE_ADDR="")) is None


@pytest.mark.parametrize(
    ("proxies", "https", "connected", "forwarded", "address"),
    [
        (0, False, "8.8.8.8", None, "8.8.8.8"),
        # A visitor who invents the header does not get out of the limit.
        (0, False, "8.8.8.8", INVENTED, "8.8.8.8"),
        # There is no exemption for this machine and for the own network.
        (0, False, "127.0.0.1", None, "127.0.0.1"),
        (0, False, PROXY, None, PROXY),
        # This may be a proxy that nobody counted.
        (0, False, "127.0.0.1", VISITOR, None),
        (0, False, PROXY, VISITOR, None),
        (0, True, "8.8.8.8", None, None),
        (1, True, PROXY, "8.8.8.8", "8.8.8.8"),
        (1, True, PROXY, f"{INVENTED}, 8.8.8.8:4711", "8.8.8.8"),
        (1, True, PROXY, "10.0.0.9", "10.0.0.9"),
        (1, True, PROXY, f"8.8.8.8, {PROXY}", None),
        (1, True, PROXY, None, None),
        # One of the two proxies did not add its address.
        (2, True, PROXY, "8.8.8.8", None),
        (2, True, PROXY, "8.8.8.8, 9.9.9.9", "8.8.8.8"),
        # A visitor has a whole network of IPv6 addresses.
        (1, True, PROXY, "2a00:1450:4001:80e::1", "2a00:1450:4001:80e::/64"),
        (1, True, PROXY, "[2a00:1450:4001:80e:9::2]:80", "2a00:1450:4001:80e::/64"),
        (1, True, PROXY, "unknown", None),
    ],
)
def test_address_that_is_limited(
    settings: Any,
    proxies: int,
    https: bool,
    connected: str,
    forwarded: str | None,
    address: str | None,
) -> None:
    settings.TRUSTED_PROXIES, settings.HTTPS = proxies, https
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=connected)
    assert address_to_limit(request) == address
