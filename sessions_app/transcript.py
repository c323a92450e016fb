"""A conversation as both sides read it: messages and files in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sessions_app.models import Attachment, Message, Session


@dataclass(frozen=True)
class Line:
    """One message or one file."""

    at: datetime
    sender: str
    author: str
    message: Message | None = None
    attachment: Attachment | None = None


def transcript_of(session: Session) -> list[Line]:
    """Return the lines of a session, the oldest first, in two queries."""
    messages = [
        Line(m.at, m.sender, m.author.username if m.author else "", message=m)
        for m in session.messages.select_related("author")
    ]
    files = [
        Line(a.at, a.sender, a.author.username if a.author else "", attachment=a)
        for a in session.attachments.select_related("author")
    ]
    return sorted([*messages, *files], key=lambda line: line.at)
