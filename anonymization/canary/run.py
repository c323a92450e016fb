"""One run of the verifier: plant, find each, erase, find none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from tqdm import tqdm

from anonymization import engine
from anonymization.canary import places, planting
from anonymization.canary.planters import planters
from anonymization.canary.planting import Kept, Planted
from anonymization.canary.spellings import Search
from anonymization.canary.values import Canaries, Canary
from anonymization.ledger import recording
from anonymization.models import Erasure, Source
from anonymization.policy import registry
from anonymization.storage import require_storage


@dataclass(frozen=True, order=True)
class Hit:
    """Where which canary was found and how spelled; never its value."""

    place: str
    label: str
    spelling: str
    #: Why it may be there; empty when it may not.
    reason: str = ""


@dataclass
class Searched:
    """What a search found, and how many bytes it read of each kind of place."""

    hits: set[Hit] = field(default_factory=set)
    bytes: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> set[str]:
        return {hit.label for hit in self.hits}


@dataclass(frozen=True)
class Report:
    """What came out; ``labels`` are those that were planted, ``missed`` those of them that the control did not find."""

    labels: list[str]
    missed: list[str]
    hits: list[Hit]
    allowed: list[Hit]
    searched: dict[str, int]
    not_searched: list[str]
    not_planted: list[str]

    @property
    def clean(self) -> bool:
        return bool(self.labels) and not self.missed and not self.hits


def not_planted(*, choices: bool) -> list[str]:
    """Return which columns take no canary, and why."""
    return [column for model in planters() for column in planting.left_out(model, choices=choices)]


def search(
    canaries: Iterable[Canary], *, since: Any, logged: Iterable[str] = (), also: Iterable[Path] = ()
) -> Searched:
    """Search all places within reach."""
    needles, result, seen = Search(canaries), Searched(), set()
    for kind, place, data in tqdm(
        places.everywhere(since=since, logged=logged, also=also),
        desc="Searching", unit=" places", disable=None, leave=False,
    ):  # fmt: skip
        result.bytes[kind] += len(data)
        for found in needles.find(data):
            seen.add((kind, place, *found))
    result.hits = {Hit(f"{kind}: {place}", label, spelling) for kind, place, label, spelling in seen}
    return result


class Run(AbstractContextManager["Run"]):
    """The steps of one run. Left before the subjects were erased, it takes away again what it has planted.

    ``choices``: see ``planting.plant``; ``also``: further files and folders to search.
    """

    def __init__(self, *, choices: bool, also: Iterable[Path] = ()) -> None:
        self.canaries = Canaries()
        self.subjects: list[Model] = []
        self._choices, self._also, self._began = choices, list(also), timezone.now()
        self._planted: list[Planted] = []
        self._kept: list[Kept] = []
        self._logged = places.logged()

    def __enter__(self) -> Self:
        self._lines = self._logged.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._logged.__exit__(kind, error, trace)
        for subject in self.subjects:
            _take_away(subject)

    def plant(self) -> None:
        """Let each kind of subject in, twice: older rows keep what came by the door, the newest take all columns."""
        for planter in planters().values():
            for _time in ("first", "again"):
                subject = planter(self.canaries)
                if subject not in self.subjects:
                    self.subjects.append(subject)
        for subject in self.subjects:
            planted, kept = planting.plant(subject, self.canaries, choices=self._choices)
            self._planted += planted
            self._kept += kept

    def search(self) -> Searched:
        return search(self.canaries, since=self._began, logged=self._lines, also=self._also)

    def missed(self) -> list[str]:
        """Return the labels that a search does not find: the positive control, before the erasure."""
        return sorted({canary.label for canary in self.canaries} - self.search().labels)

    def erase(self) -> list[Erasure]:
        """Erase the subjects.

        Raises:
            ErasureRefused: as the engine says; nothing was erased.
        """
        requester = recording.Requester(Source.COMMAND)
        return [engine.erase(subject, requester=requester)[0] for subject in self.subjects]

    def report(self, missed: list[str]) -> Report:
        """Search after the erasure, and compare what is left of the planted rows."""
        found = self.search()
        hits = {self._judged(hit) for hit in found.hits} | {
            Hit(f"database: {p.policy.model._meta.db_table}", planting.label_of(p.policy, name), "unchanged")
            for p in self._planted
            for name in p.unchanged()
        }
        return Report(
            labels=sorted(canary.label for canary in self.canaries),
            missed=missed,
            hits=sorted(hit for hit in hits if not hit.reason),
            allowed=sorted(hit for hit in hits if hit.reason),
            searched=dict(found.bytes),
            not_searched=places.out_of_reach(),
            not_planted=not_planted(choices=self._choices),
        )

    def _judged(self, hit: Hit) -> Hit:
        """Return the hit with the reason for which it may stay: what is kept may be in its own column, and in the
        statistics and the bytes of that."""
        for kept in self._kept:
            own = {f"database: {kept.column}", f"pg_stats: {kept.column}"}
            if hit.label == kept.label and (hit.place in own or hit.place.startswith("SQLite's bytes: ")):
                return Hit(hit.place, hit.label, hit.spelling, kept.reason)
        return hit


@transaction.atomic
def _take_away(subject: Any) -> None:
    """Delete the rows and files of a subject that was planted and not erased."""
    mark = registry.get(type(subject)).mark
    if type(subject)._base_manager.filter(pk=subject.pk, **{f"{mark}__isnull": True}).exists():
        for path, policy in registry.reaching(type(subject)):
            rows = policy.rows_of(subject, path)
            for name in policy.file_fields:
                for stored in rows.values_list(name, flat=True):
                    default_storage.delete(stored)
            rows.delete()


def verify(*, choices: bool, also: Iterable[Path] = ()) -> Report:
    """Do all of it, in transactions of its own.

    Raises:
        ErasureRefused: nothing was erased, and what was planted is gone again.
        StorageUnavailable: files can't be planted; nothing was.
    """
    # Before the transaction in which files are planted.
    require_storage()
    with Run(choices=choices, also=also) as run:
        run.plant()
        missed = run.missed()
        run.erase()
        return run.report(missed)
