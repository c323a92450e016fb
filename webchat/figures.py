"""Figures about the sessions of a WebChat, for its settings pages.

Sessions belong to an app that depends on this one. That app registers how they are counted
(``sessions_app/apps.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from webchat.models import ConsentVersion, WebChat


@dataclass(frozen=True)
class RetentionPreview:
    """The number of sessions that a retention period would anonymize.

    ``now`` counts those of the next run, ``week`` those that are added within seven days after it.
    """

    days: int
    now: int
    week: int


class Figures(Protocol):
    """The figures that are counted. Each method queries the database."""

    def holding(self, versions: Collection[ConsentVersion]) -> Mapping[int, int]:
        """Return the number of sessions per consent version, by the version's key.

        Versions without sessions may be missing.
        """

    def open_sessions(self, version: ConsentVersion) -> Sequence[Any]:
        """Return the open sessions whose visitors saw this version."""

    def retention(self, webchat: WebChat, *, days: int) -> RetentionPreview:
        """Count the sessions that a retention period of ``days`` days would anonymize."""


_registered: list[Figures] = []


def register(figures: Figures) -> None:
    """Register the object that counts. A later registration replaces an earlier one."""
    _registered[:] = [figures]


def holding(versions: Collection[ConsentVersion]) -> Mapping[int, int]:
    """Return the number of sessions per consent version, by key. Unused versions may be missing."""
    return _registered[0].holding(versions)


def open_sessions(version: ConsentVersion) -> Sequence[Any]:
    """Return the open sessions whose visitors saw this version, with their pages."""
    return _registered[0].open_sessions(version)


def retention(webchat: WebChat, *, days: int) -> RetentionPreview:
    """Count the sessions that a retention period of ``days`` days would anonymize."""
    return _registered[0].retention(webchat, days=days)
