"""Run the verifier once: plant the values, find each, erase, and find none."""

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
    """Where a canary was found and in which spelling; never its value."""

    place: str
    label: str
    spelling: str
    #: Why the canary may be there. Empty if it must not be there.
    reason: str = ""


@dataclass
class Searched:
    """The hits of a search, and the number of bytes read from each kind of place."""

    hits: set[Hit] = field(default_factory=set)
    bytes: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> set[str]:
        return {hit.label for hit in self.hits}


@dataclass(frozen=True)
class Report:
    """The result of a run.

    ``labels`` are the labels of all planted canaries. ``missed`` are those that the search before
    the erasure did not find.
    """

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
    """Return the columns that receive no canary, with the reason."""
    return [column for model in planters() for column in planting.left_out(model, choices=choices)]


def search(
    canaries: Iterable[Canary], *, since: Any, logged: Iterable[str] = (), also: Iterable[Path] = ()
) -> Searched:
    """Search all places that can be searched."""
    needles, result, seen = Search(canaries), Searched(), set()
    for kind, place, data in tqdm(
        places.everywhere(since=since, logged=logged, also=also),
        desc="Searching", unit=" places", disable=None, leave=False,
    ):  # fmt: skip
        result.bytes[kind] += len(data)
        for found in needles.find(data):
            seen.add((kind, place, *found))
    result.hits = {
        Hit(f"{kind}: {place}", label, spelling) for kind, place, label, spelling in seen
    }
    return result


class Run(AbstractContextManager["Run"]):
    """The steps of one run.

    If the block ends before the subjects were erased, all planted rows and files are deleted.
    ``choices``: see ``planting.plant``. ``also``: further files and folders to search.
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
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logged.__exit__(kind, error, trace)
        for subject in self.subjects:
            _take_away(subject)

    def plant(self) -> None:
        """Create each kind of subject twice, then plant its columns.

        The older rows keep the values from the services. The newest rows receive values in all
        columns.
        """
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
        """Return the labels that a search does not find.

        This is the positive control before the erasure.
        """
        return sorted({canary.label for canary in self.canaries} - self.search().labels)

    def erase(self) -> list[Erasure]:
        """Erase the subjects.

        Raises:
            ErasureRefused: the engine refused an erasure; that subject was not changed.
        """
        requester = recording.Requester(Source.COMMAND)
        return [
            record
            for subject in self.subjects
            if (record := engine.erase(subject, requester=requester))
        ]

    def report(self, missed: list[str]) -> Report:
        """Search after the erasure, and compare the remaining planted rows."""
        found = self.search()
        hits = {self._judged(hit) for hit in found.hits} | {
            Hit(
                f"database: {p.policy.model._meta.db_table}",
                planting.label_of(p.policy, name),
                "unchanged",
            )
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
        """Return the hit, with the reason if it may remain.

        A kept value may be in its own column, and in the statistics and the bytes of that column.
        """
        for kept in self._kept:
            own = {f"database: {kept.column}", f"pg_stats: {kept.column}"}
            if hit.label == kept.label and (
                hit.place in own or hit.place.startswith("SQLite's bytes: ")
            ):
                return Hit(hit.place, hit.label, hit.spelling, kept.reason)
        return hit


@transaction.atomic
def _take_away(subject: Any) -> None:
    """Delete the rows and files of a subject that was planted but not erased."""
    mark = registry.get(type(subject)).mark
    if type(subject)._base_manager.filter(pk=subject.pk, **{f"{mark}__isnull": True}).exists():
        for path, policy in registry.reaching(type(subject)):
            rows = policy.rows_of(subject, path)
            for name in policy.file_fields:
                for stored in rows.values_list(name, flat=True):
                    default_storage.delete(stored)
            rows.delete()


def verify(*, choices: bool, also: Iterable[Path] = ()) -> Report:
    """Run the verifier once, in its own transactions.

    Raises:
        ErasureRefused: the engine refused an erasure; what was planted and not erased was deleted
            again.
        StorageUnavailable: files cannot be stored; nothing was planted.
    """
    # This must be called before the transaction that plants files.
    require_storage()
    with Run(choices=choices, also=also) as run:
        run.plant()
        missed = run.missed()
        run.erase()
        return run.report(missed)
