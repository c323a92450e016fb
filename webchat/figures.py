"""Figures about the sessions of a WebChat, which its settings pages show.

Sessions belong to an app above this one. That app registers how they are counted (``sessions_app/apps.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from webchat.models import ConsentVersion, WebChat


@dataclass(frozen=True)
class RetentionPreview:
    """How many sessions a retention period takes with the next run, and how many more within seven days after it."""

    days: int
    now: int
    week: int


class Figures(Protocol):
    """What is counted. Each method asks the database."""

    def holding(self, versions: Collection[ConsentVersion]) -> Mapping[int, int]:
        """Return the number of sessions that hold each version, by its key; versions without any may be missing."""

    def retention(self, webchat: WebChat, *, days: int) -> RetentionPreview:
        """Count what keeping sessions for so many days would take."""


_registered: list[Figures] = []


def register(figures: Figures) -> None:
    """Let ``figures`` count; a later registration replaces an earlier one."""
    _registered[:] = [figures]


def holding(versions: Collection[ConsentVersion]) -> Mapping[int, int]:
    """Return the number of sessions that hold each version, by its key; versions without any may be missing."""
    return _registered[0].holding(versions)


def retention(webchat: WebChat, *, days: int) -> RetentionPreview:
    """Count what keeping sessions for so many days would take."""
    return _registered[0].retention(webchat, days=days)
