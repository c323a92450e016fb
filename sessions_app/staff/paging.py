"""Keyset pagination of the Sessions table: newest first, without offsets and without counting.

A position is the start and id of a session. Therefore a page costs the same at any depth, and a new
session does not shift the pages. The indexes ``session_newest``, ``session_webchat_newest`` and
``session_operator_newest`` serve the query through one row-value comparison.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.translation import gettext_lazy as _

from sessions_app.models import Session

PAGE_SIZE = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAYOUT = struct.Struct(">qq")


class PositionRefused(ValueError):
    """The position in the URL is not valid."""


@dataclass(frozen=True)
class Position:
    """The position of one session in the order of the table."""

    created_at: datetime
    pk: int

    @classmethod
    def of(cls, session: Session) -> Position:
        return cls(session.created_at, session.pk)

    @classmethod
    def read(cls, text: str) -> Position:
        """Parse a position from a URL.

        Raises:
            PositionRefused: The text is damaged or forged.
        """
        try:
            packed = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
            microseconds, pk = _LAYOUT.unpack(packed)
        except (UnicodeError, binascii.Error, struct.error):
            raise PositionRefused(_("The link to this page of the table is invalid.")) from None
        if not (0 <= microseconds <= _LATEST and pk >= 1):
            raise PositionRefused(_("The link to this page of the table is invalid."))
        return cls(_EPOCH + microseconds * _MICROSECOND, pk)

    def __str__(self) -> str:
        packed = _LAYOUT.pack((self.created_at - _EPOCH) // _MICROSECOND, self.pk)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


@dataclass(frozen=True)
class KeyPage:
    """Sessions, newest first. ``newer`` and ``older`` are the positions of the adjacent pages.

    A position is empty if there is no such page.
    """

    rows: list[Session]
    newer: str = ""
    older: str = ""

    def read_from(self, sessions: QuerySet[Session]) -> KeyPage:
        """Return the page with its rows read again from other sessions, which have more data."""
        found = sessions.in_bulk([row.pk for row in self.rows])
        return replace(self, rows=[found[row.pk] for row in self.rows if row.pk in found])


def page_by_key(
    sessions: QuerySet[Session], *, after: str = "", before: str = "", size: int = PAGE_SIZE
) -> KeyPage:
    """Return the page that follows the position ``after``, or the one that ends before ``before``.

    Raises:
        PositionRefused: A position in the URL is not valid.
    """
    if before and not after:
        page = _newer_than(sessions, Position.read(before), size)
        if page is not None:
            return page
    rows = list(_older_than(sessions, Position.read(after) if after else None)[: size + 1])
    return KeyPage(
        rows=rows[:size],
        newer=str(Position.of(rows[0])) if rows and after else "",
        older=str(Position.of(rows[size - 1])) if len(rows) > size else "",
    )


def chunks_by_key(sessions: QuerySet[Session], *, size: int = 500) -> Iterator[list[Session]]:
    """Yield all sessions in short queries, without occupying much memory or a database cursor."""
    last: Position | None = None
    while rows := list(_older_than(sessions, last)[:size]):
        yield rows
        last = Position.of(rows[-1])


def _older_than(sessions: QuerySet[Session], position: Position | None) -> QuerySet[Session]:
    ordered = sessions.order_by("-created_at", "-id")
    if position is None:
        return ordered
    # The first condition implies the second one. SQLite needs the second one, because Django
    # translates the tuple comparison into an OR there.
    return ordered.filter(
        TupleLessThan(Tuple("created_at", "id"), (position.created_at, position.pk)),
        created_at__lte=position.created_at,
    )


def _newer_than(sessions: QuerySet[Session], position: Position, size: int) -> KeyPage | None:
    """Return the page just before a position, or None if that page would not be full.

    In this case the first page is shown instead.
    """
    newer = sessions.filter(
        TupleGreaterThan(Tuple("created_at", "id"), (position.created_at, position.pk)),
        created_at__gte=position.created_at,
    )
    rows = list(newer.order_by("created_at", "id")[: size + 1])
    if len(rows) <= size:
        return None
    rows = rows[:size][::-1]
    return KeyPage(rows=rows, newer=str(Position.of(rows[0])), older=str(Position.of(rows[-1])))
