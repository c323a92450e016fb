"""Measure the REST API against constant bytes, against hand-written SQL, and as the table grows.

    .venv/bin/python -m bench.api [--small 10000] [--large 1000000] [--repeat 21]

Uses two PostgreSQL databases on one server. A separate process for each database calls the API
through Django's test client. The compared calls take turns in one run. Prints medians.

Exits with 1 if a page of the large table takes more than 1.3 times as long as one of the small
table, or if 100,000 sessions in one answer need more than 500 MB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.postgres import create_database, drop_database, server  # noqa: E402  needs the path above
from bench.table import MAX_RATIO, SERVER_SETTINGS, Worker  # noqa: E402

#: The limit of memory for a process that answers with 100,000 sessions.
MAX_MEGABYTES = 500
LIST = {
    "list": "1,000 sessions through the API",
    "list_constant": "the same bytes from a constant",
    "list_sql": "their rows with hand-written SQL",
}
ANONYMIZE = {
    "anonymize": "one session through the API",
    "anonymize_constant": "an empty answer from a constant",
    "anonymize_sql": "the same with hand-written SQL",
}
GROWTH = {
    "first": "100 sessions at offset 0",
    "range": "100 sessions of one day",
    "offset": "100 at offset 5,000",
}


def take_turns(workers: list[Worker], names: list[str], *, repeat: int) -> dict[str, list[float]]:
    """Return the medians in milliseconds of each worker, by name. The workers' order rotates."""
    times: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in workers])
    for turn in range(-2, repeat):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for position in range(len(workers)):
                chosen = (position + turn) % len(workers)
                answer = workers[chosen].measure(name, turn)
                if turn >= 0:  # the first two warm up
                    times[name][chosen].append(answer["ms"])
    return {name: [statistics.median(own) for own in times[name]] for name in names}


def print_costs(title: str, names: dict[str, str], medians: dict[str, list[float]]) -> None:
    ours = next(iter(medians.values()))[0]
    print(f"\n| {title} | median | per second | the API takes |")
    print("|---|--:|--:|--:|")
    for name, words in names.items():
        (median,) = medians[name]
        print(f"| {words} | {median:.2f} ms | {1000 / median:,.0f} | {ours / median:.2f} × |")


def print_growth(medians: dict[str, list[float]], *, small: int, large: int) -> bool:
    print(f"\n| page | {small:,} sessions | {large:,} sessions | ratio | |")
    print("|---|--:|--:|--:|---|")
    for name, words in GROWTH.items():
        few, many = medians[name]
        verdict = "PASS" if many <= MAX_RATIO * few else "FAIL"
        print(f"| {words} | {few:.1f} ms | {many:.1f} ms | {many / few:.2f} | {verdict} |")
    return all(medians[name][1] <= MAX_RATIO * medians[name][0] for name in GROWTH)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=21)
    options = parser.parse_args()
    names = ["bench_small", "bench_large"]
    with server(SERVER_SETTINGS) as url:
        urls = [create_database(url, name) for name in names]
        try:
            with (
                Worker(urls[0], options.small, module="bench.api_worker") as few,
                Worker(urls[1], options.large, module="bench.api_worker") as many,
            ):
                for worker in (few, many):
                    print(worker.answer()["ready"], file=sys.stderr)
                largest = many.measure("all", 0)
                growth = take_turns([few, many], list(GROWTH), repeat=options.repeat)
                lists = take_turns([many], list(LIST), repeat=options.repeat)
                erasures = take_turns([many], list(ANONYMIZE), repeat=options.repeat * 3)
        finally:
            for name in names:
                drop_database(url, name)
    print(
        f"\n100,000 sessions in one answer took {largest['ms'] / 1000:.1f} s "
        f"and at most {largest['peak_mb']:.0f} MB."
    )
    print_costs("list", LIST, lists)
    print_costs("anonymize", ANONYMIZE, erasures)
    flat = largest["peak_mb"] < MAX_MEGABYTES
    return 0 if print_growth(growth, small=options.small, large=options.large) and flat else 1


if __name__ == "__main__":
    sys.exit(main())
