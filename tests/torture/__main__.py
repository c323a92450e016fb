"""Run long tests; see bin/torture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.torture import fuzz
from tests.torture.progress import Progress, print_table
from tests.torture.work import run_on_both

#: Name → (run, default number of trials, description of a trial).
RUNS: dict[str, tuple[Callable[[Progress], None], int, str]] = {
    "fuzz": (fuzz.run, 20_000, "requests"),
    # The total for both databases, of which PostgreSQL is killed more often. There are fifteen
    # kinds of races.
    "faults": (run_on_both, 2_200, "faults"),
    "kills": (run_on_both, 1_800, "kills"),
    "races": (run_on_both, 29_000, "races"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/torture", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which runs: {', '.join(RUNS)}; all of them"
    )
    parser.add_argument(
        "--trials", type=int, help="how many trials of each run, instead of its own number"
    )
    parser.add_argument("--again", action="store_true", help="start over instead of going on")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"Unknown: {', '.join(sorted(unknown))}.")
    done = []
    for name in options.names or RUNS:
        run, trials, unit = RUNS[name]
        progress = Progress(name, trials=options.trials or trials, unit=unit, again=options.again)
        run(progress)
        done.append(progress)
    print_table(done)
    return 0 if all(progress.passed for progress in done) else 1


if __name__ == "__main__":
    sys.exit(main())
