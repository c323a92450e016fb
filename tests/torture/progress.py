"""Store the progress of a long run in a file, so that a stopped run can continue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

FOLDER = Path(__file__).resolve().parents[2] / "var" / "torture"
_FAILURES_KEPT = 20


class Progress:
    """Counts trials by kind and keeps the first failures. It is saved after each batch.

    A batch is a number that a run may use as its seed. Batch 7 makes the same trials in every run.
    """

    def __init__(
        self, name: str, *, trials: int, unit: str, again: bool = False, keep: bool = True
    ) -> None:
        self.name, self.trials, self.unit = name, trials, unit
        self.file = FOLDER / f"{name}.json" if keep else None
        self.batch = 0
        self.tried: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: list[str] = []
        if self.file and self.file.exists() and not again:
            known = json.loads(self.file.read_text())
            self.batch, self.failures = known["batch"], known["failures"]
            self.tried, self.failed = Counter(known["tried"]), Counter(known["failed"])

    @property
    def passed(self) -> bool:
        return not self.failed and sum(self.tried.values()) >= self.trials

    def batches(self) -> Iterator[int]:
        """Yield batch numbers until there are enough trials. Save the progress after each batch."""
        with tqdm(
            total=self.trials,
            initial=sum(self.tried.values()),
            unit=f" {self.unit}",
            desc=self.name,
            disable=None,
        ) as bar:
            while (before := sum(self.tried.values())) < self.trials:
                yield self.batch
                self.batch += 1
                self._save()
                bar.update(sum(self.tried.values()) - before)

    def count(self, kind: str, failure: str = "") -> None:
        """Count one trial. The text of a failure must not contain personal data."""
        self.tried[kind] += 1
        if failure:
            self.failed[kind] += 1
            self.failures = [*self.failures, f"{kind}: {failure}"][:_FAILURES_KEPT]

    def _save(self) -> None:
        if self.file:
            FOLDER.mkdir(parents=True, exist_ok=True)
            state = {
                "batch": self.batch,
                "failures": self.failures,
                "tried": self.tried,
                "failed": self.failed,
            }
            self.file.write_text(json.dumps(state))


def print_table(runs: list[Progress]) -> None:
    """Print the trials and failures as a Markdown table."""
    print("\n| run | kind | tried | failed |\n|---|---|--:|--:|")
    for run in runs:
        for kind, tried in sorted(run.tried.items()):
            print(f"| {run.name} | {kind} | {tried:,} | {run.failed[kind]:,} |")
        for failure in run.failures:
            print(f"\n{run.name}: {failure}")
