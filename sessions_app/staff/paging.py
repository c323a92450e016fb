"""Pages of the Sessions table by key: newest first, from a position on, never by offset and never counted.

A position is the start and id of a session, so that a page costs the same at any depth and a session that
arrives meanwhile moves nothing. Served by the indexes ``session_newest``, ``session_webchat_newest`` and
``session_operator_newest`` through one row-value comparison.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass
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
    """The position in the URL was not made here."""


@dataclass(frozen=True)
class Position:
    """The place of one session in the order of the table."""

    created_at: datetime
    pk: int

    @classmethod
    def of(cls, session: Session) -> Position:
        return cls(session.created_at, session.pk)

    @classmethod
    def read(cls, text: str) -> Position:
        """Read a position from a URL.

        Raises:
            PositionRefused: it is damaged or made up.
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
    """Some sessions, newest first; ``newer`` and ``older`` are the positions for the pages around, or empty."""

    rows: list[Session]
    newer: str = ""
    older: str = ""


def page_by_key(
    sessions: QuerySet[Session], *, after: str = "", before: str = "", size: int = PAGE_SIZE
) -> KeyPage:
    """Return the page that follows the position ``after``, or the one that ends before ``before``.

    Raises:
        PositionRefused
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
    """Yield all sessions in short queries, so that neither memory nor a database cursor is held."""
    last: Position | None = None
    while rows := list(_older_than(sessions, last)[:size]):
        yield rows
        last = Position.of(rows[-1])


def _older_than(sessions: QuerySet[Session], position: Position | None) -> QuerySet[Session]:
    ordered = sessions.order_by("-created_at", "-id")
    if position is None:
        return ordered
    # The first condition follows from the second; SQLite, where Django spells the tuple out as an OR, needs it.
    return ordered.filter(
        TupleLessThan(Tuple("created_at", "id"), (position.created_at, position.pk)),
        created_at__lte=position.created_at,
    )


def _newer_than(sessions: QuerySet[Session], position: Position, size: int) -> KeyPage | None:
    """Return the page just above a position; None when that would not be a full page: then the first one serves."""
    newer = sessions.filter(
        TupleGreaterThan(Tuple("created_at", "id"), (position.created_at, position.pk)),
        created_at__gte=position.created_at,
    )
    rows = list(newer.order_by("created_at", "id")[: size + 1])
    if len(rows) <= size:
        return None
    rows = rows[:size][::-1]
    return KeyPage(rows=rows, newer=str(Position.of(rows[0])), older=str(Position.of(rows[-1])))
