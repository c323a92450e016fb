"""Test that the stack of a request has room for deep calls."""

from __future__ import annotations

import resource

from django.http import HttpRequest, HttpResponse

from mluvii_gdpr.middleware import RoomyStack

CALLS = 300
#: Deeper than the rendering of a page. The frames take about 70 kB.
DEPTH = 700


def test_no_depth_makes_a_call_map_memory() -> None:
    most = 0

    def handle(_request: HttpRequest) -> HttpResponse:
        nonlocal most
        most = max(mapped_pages(depth) for depth in range(DEPTH))
        return HttpResponse()

    for _warm_up in range(2):
        RoomyStack(handle)(HttpRequest())

    assert most < CALLS // 2


def mapped_pages(depth: int) -> int:
    """Return how often the process needed new memory for calls below a number of frames."""
    if depth:
        return mapped_pages(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _call in range(CALLS):
        nothing()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def nothing() -> None:
    """Do nothing. The frame is larger than its caller's, so that no depth is skipped."""


nothing.__code__ = nothing.__code__.replace(co_stacksize=50)
