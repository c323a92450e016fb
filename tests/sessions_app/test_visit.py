"""Test the visitor's address: only the addresses that our own proxies appended count."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from sessions_app.visitor.visit import ip_address_of

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
        # The inner of two proxies appended the address of the outer one.
        (2, f"{VISITOR}, {OUTER}", VISITOR),
        (2, f"{INVENTED}, {VISITOR}, {OUTER}", VISITOR),
        # A value that none of our proxies wrote is not an address.
        (1, None, None),
        (1, "", None),
        (1, "unknown", None),
        (1, f"{VISITOR}:4711", None),
        (1, f"{VISITOR}, <script>", None),
    ],
)
def test_address(settings: Any, proxies: int, forwarded: str | None, address: str | None) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert ip_address_of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=PROXY)) == address


def test_without_an_address_there_is_none(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    assert ip_address_of(RequestFactory().get("/", REMOTE_ADDR="")) is None
