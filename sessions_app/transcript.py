"""A conversation as both sides read it: messages and files in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sessions_app.models import Attachment, Message, Session


@dataclass(frozen=True)
class Line:
    """One message or one file of a transcript."""

    at: datetime
    sender: str
    author: str
    message: Message | None = None
    attachment: Attachment | None = None

    @property
    def id(self) -> str:
        """Return the id of the line's HTML element, by which a page recognizes a line it shows."""
        return (
            f"message-{self.message.pk}"
            if self.message
            else f"file-{self.attachment.pk if self.attachment else 0}"
        )


def line_of(row: Message | Attachment) -> Line:
    """Return the line of a row. The row's author must have been selected with it."""
    author = row.author.username if row.author else ""
    if isinstance(row, Message):
        return Line(row.at, row.sender, author, message=row)
    return Line(row.at, row.sender, author, attachment=row)


def transcript_of(session: Session) -> list[Line]:
    """Return the lines of a session, the oldest first, in two queries."""
    lines = [line_of(row) for row in session.messages.select_related("author")]
    lines += [line_of(row) for row in session.attachments.select_related("author")]
    return sorted(lines, key=lambda line: line.at)
