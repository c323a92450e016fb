"""Test paging by key: every row exactly once, at a constant cost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.models import Session
from sessions_app.staff.paging import (
    Position,
    PositionRefused,
    _older_than,
    chunks_by_key,
    page_by_key,
)
from tests.factories import WebChatFactory
from tests.sessions_app.staff.rows import make_rows
from webchat.models import WebChat

pytestmark = pytest.mark.django_db


def walk(**options: Any) -> list[int]:
    seen: list[int] = []
    page = page_by_key(Session.objects.all(), **options)
    seen += [row.pk for row in page.rows]
    while page.older:
        page = page_by_key(Session.objects.all(), after=page.older, **options)
        seen += [row.pk for row in page.rows]
    return seen


def test_all_pages_together_are_all_sessions_in_order() -> None:
    rows = make_rows(WebChatFactory(), 23)
    assert walk(size=5) == [row.pk for row in rows]


def test_sessions_of_one_moment_come_once_each() -> None:
    rows = make_rows(WebChatFactory(), 12, at=timezone.now().replace(microsecond=0))
    assert walk(size=5) == sorted((row.pk for row in rows), reverse=True)


def test_microseconds_count() -> None:
    moment = timezone.now().replace(microsecond=123456)
    make_rows(WebChatFactory(), 3, at=moment)
    make_rows(WebChatFactory(), 3, at=moment.replace(microsecond=123457))
    assert len(set(walk(size=2))) == 6


def test_a_session_that_arrives_meanwhile_moves_nothing(webchat: WebChat) -> None:
    rows = make_rows(webchat, 10)
    first = page_by_key(Session.objects.all(), size=5)
    make_rows(webchat, 3, at=timezone.now())
    second = page_by_key(Session.objects.all(), after=first.older, size=5)
    assert [row.pk for row in first.rows + second.rows] == [row.pk for row in rows]


def test_one_page_back_is_the_page_before() -> None:
    make_rows(WebChatFactory(), 20)
    pages = [page_by_key(Session.objects.all(), size=5)]
    while pages[-1].older:
        pages.append(page_by_key(Session.objects.all(), after=pages[-1].older, size=5))
    back = page_by_key(Session.objects.all(), before=pages[3].newer, size=5)
    assert [row.pk for row in back.rows] == [row.pk for row in pages[2].rows]
    assert back.newer
    assert back.older


def test_back_at_the_top_is_a_whole_first_page() -> None:
    rows = make_rows(WebChatFactory(), 8)
    page = page_by_key(Session.objects.all(), before=str(Position.of(rows[2])), size=5)
    assert [row.pk for row in page.rows] == [row.pk for row in rows[:5]]
    assert not page.newer


def test_chunks_are_all_sessions_once() -> None:
    rows = make_rows(WebChatFactory(), 11)
    chunks = list(chunks_by_key(Session.objects.all(), size=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 3]
    assert [row.pk for chunk in chunks for row in chunk] == [row.pk for row in rows]


@pytest.mark.parametrize(
    "text", ["x", "é", "\0", "\ud800", "A" * 22, "_" * 22, "A" * 5000, "AAAA=AAAA", "1,2"]
)
def test_a_made_up_position_is_refused(text: str) -> None:
    with pytest.raises(PositionRefused):
        page_by_key(Session.objects.all(), after=text)


def test_no_page_counts_or_skips() -> None:
    make_rows(WebChatFactory(), 8)
    with CaptureQueriesContext(connection) as queries:
        page = page_by_key(Session.objects.all(), size=3)
        page = page_by_key(Session.objects.all(), after=page.older, size=3)
        page_by_key(Session.objects.all(), before=page.newer, size=3)
    assert not [q["sql"] for q in queries if re.search(r"COUNT\(|OFFSET", q["sql"])]


def test_a_deep_page_is_a_range_of_an_index() -> None:
    rows = make_rows(WebChatFactory(), 300)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    plan = _older_than(Session.objects.all(), Position.of(rows[150]))[:51].explain()
    assert "session_newest" in plan
    assert re.search(r"Index Cond: .*ROW\(created_at, id\) <|created_at<\?", plan)
