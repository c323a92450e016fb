"""Measure erasures against hand-written SQL and a loop of ``save()``, and as the database grows.

    .venv/bin/python -m bench.erasure [--small 1000000] [--large 10000000] [--repeat 7]

Uses two PostgreSQL databases on one server. ``--small`` and ``--large`` are their numbers of
messages. Each has a tenth as many sessions and a fiftieth as many guests, and a separate process
for each of them measures. The candidates take turns in one run, in a rotating order. Each
measurement uses a new guest or WebChat. Prints medians.

Exits with 1 if a goal is missed. Without the command ``anonymize_expired``, retention is not
measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.postgres import create_database, drop_database, server  # noqa: E402  needs the path above
from bench.table import SERVER_SETTINGS, Worker  # noqa: E402

#: Number of sessions of a guest → the limit, as a multiple of the time of the hand-written SQL.
MAX_RATIO = {1: 3.0, 100: 1.3, 1000: 1.3}
MIN_TIMES_FASTER = 30
MAX_STATEMENTS, MAX_ON_CHAT_TABLES = 40, 10
MAX_GROWTH, MAX_MORE_BUFFERS = 1.3, 1.1
MIN_THROUGHPUT, MAX_SECONDS, MAX_MEMORY_GROWTH = 0.8, 0.3, 1.2
#: The numbers of erasures in a loop, which take long, and of pairs of WebChats with expired
#: sessions. The first pair warms up.
LOOPS, PAIRS = 5, 7
SETTINGS = SERVER_SETTINGS | {
    "shared_buffers": "2GB",
    # Autovacuum would run between two measurements. Both candidates leave the same dead rows.
    "autovacuum": "off",
}
Answers = dict[str, list[dict[str, Any]]]


def take_turns(few: Worker, many: Worker, size: int, *, repeat: int) -> Answers:
    """Return the measurements of guests with a number of sessions, in a rotating order."""
    ways = {
        "few": (few, "guest engine"),
        "engine": (many, "guest engine"),
        "sql": (many, "guest sql"),
        "loop": (many, "guest loop"),
    }
    found: Answers = defaultdict(list)
    names = list(ways)
    for turn in range(-1, repeat):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        # Each candidate follows the others as often as it precedes them.
        for name in order if turn % 2 else reversed(order):
            worker, page = ways[name]
            if name == "loop" and (size == 1 or not 0 <= turn < LOOPS):
                continue
            answer = worker.measure(page, size)
            if turn >= 0:  # the first one warms up
                found[name].append(answer)
    return found


def expired(many: Worker) -> Answers:
    """Return the measurements of expired sessions, with the command and with hand-written SQL."""
    found: Answers = defaultdict(list)
    for pair in range(PAIRS + 1):
        # The first pair warms up. The command runs first, because the SQL uses chunks of the same
        # size.
        for way in ("engine", "sql") if pair % 2 == 0 else ("sql", "engine"):
            answer = many.measure(f"expired {way}", f"{way} {pair}")
            if pair:
                found[way].append(answer)
    return found


def probed(many: Worker, url: str) -> dict[str, Any]:
    """Return the longest wait of a concurrent writer while sessions are anonymized."""
    with Worker(url, "probe", "probed", module="bench.expired_worker") as probe:
        probe.answer()
        run = many.measure("expired engine", "probed")
        assert probe.process.stdin is not None
        probe.process.stdin.close()
        return {"run": run, **probe.answer()}


def memory(url: str, name: str) -> dict[str, Any]:
    with Worker(url, "memory", name, module="bench.expired_worker") as process:
        return process.answer()


def median(answers: Iterable[dict[str, Any]], key: str = "ms") -> float:
    return statistics.median(answer[key] for answer in answers)


def verdict(passed: bool) -> str:
    VERDICTS.append(passed)
    return "PASS" if passed else "FAIL"


VERDICTS: list[bool] = []


def print_erasures(found: dict[int, Answers]) -> None:
    print("\n| a guest with | engine | hand-written SQL | ratio | at most | |")
    print("|---|--:|--:|--:|--:|---|")
    for size, answers in found.items():
        engine, by_hand = median(answers["engine"]), median(answers["sql"])
        ratio = engine / by_hand
        print(
            f"| {named(size)} | {engine:.1f} ms | {by_hand:.1f} ms | {ratio:.2f} | {MAX_RATIO[size]} "
            f"| {verdict(ratio <= MAX_RATIO[size])} |"
        )
    print("\n| a guest with | engine | loop of `save()` | times faster | at least | |")
    print("|---|--:|--:|--:|--:|---|")
    for size, answers in found.items():
        if answers["loop"]:
            engine, loop = median(answers["engine"]), median(answers["loop"])
            print(
                f"| {named(size)} | {engine:.1f} ms | {loop:,.0f} ms | {loop / engine:.0f} | {MIN_TIMES_FASTER} "
                f"| {verdict(loop >= MIN_TIMES_FASTER * engine)} |"
            )
    print("\n| a guest with | statements | of them on chat tables | |")
    print("|---|--:|--:|---|")
    for size, answers in found.items():
        statements, on_chat = (max(a[key] for a in answers["engine"]) for key in ("all", "on_chat"))
        passed = statements <= MAX_STATEMENTS and on_chat <= MAX_ON_CHAT_TABLES
        print(f"| {named(size)} | {statements} | {on_chat} | {verdict(passed)} |")


def print_growth(found: dict[int, Answers], *, small: int, large: int) -> None:
    print(f"\n| a guest with | {small:,} messages | {large:,} messages | ratio | at most | |")
    print("|---|--:|--:|--:|--:|---|")
    for size, answers in found.items():
        for key, what, most in (
            ("ms", "{:.1f} ms", MAX_GROWTH),
            ("buffers", "{:,.0f} buffers", MAX_MORE_BUFFERS),
        ):
            few, many = median(answers["few"], key), median(answers["engine"], key)
            print(
                f"| {named(size)} | {what.format(few)} | {what.format(many)} | {many / few:.2f} | {most} "
                f"| {verdict(many <= most * few)} |"
            )


def print_retention(
    runs: Answers, probe: dict[str, Any], few: dict[str, Any], many: dict[str, Any]
) -> None:
    print("\n| anonymize_expired | | goal | |")
    print("|---|--:|--:|---|")
    by_engine, by_hand = (
        statistics.median(a["sessions"] / a["seconds"] for a in runs[way])
        for way in ("engine", "sql")
    )
    chunk = max(a["chunk"] for a in runs["engine"])
    print(f"| sessions per second, up to {chunk:,} per transaction | {by_engine:,.0f} | | |")
    print(f"| the same with hand-written SQL | {by_hand:,.0f} | | |")
    ratio = by_engine / by_hand
    print(
        f"| ratio | {ratio:.2f} | at least {MIN_THROUGHPUT} | {verdict(ratio >= MIN_THROUGHPUT)} |"
    )
    longest = max(a["longest"] for a in [*runs["engine"], probe["run"]])
    for what, seconds in (
        ("longest transaction", longest),
        (f"longest of {probe['writes']:,} concurrent writes", probe["longest"]),
    ):
        print(
            f"| {what} | {seconds * 1000:.0f} ms | {MAX_SECONDS} s | {verdict(seconds <= MAX_SECONDS)} |"
        )
    growth = many["peak_mb"] / few["peak_mb"]
    print(
        f"| memory for {few['sessions']:,} and {many['sessions']:,} sessions | {few['peak_mb']:.0f}, "
        f"{many['peak_mb']:.0f} MB | {MAX_MEMORY_GROWTH} × | {verdict(growth <= MAX_MEMORY_GROWTH)} |"
    )


def named(sessions: int) -> str:
    return f"{sessions:,} session{'s' if sessions > 1 else ''}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--small", type=int, default=1_000_000, help="messages in the small database"
    )
    parser.add_argument("--large", type=int, default=10_000_000, help="messages in the large one")
    parser.add_argument("--repeat", type=int, default=7, help="measurements of each kind (5 to 12)")
    options = parser.parse_args()
    if not 5 <= options.repeat <= 12 or options.small < 1_000_000:
        parser.error("Measure 5 to 12 times, with at least a million messages.")
    names = ["bench_small", "bench_large"]
    with server(SETTINGS) as url:
        urls = [create_database(url, name) for name in names]
        try:
            with (
                Worker(urls[0], options.small, module="bench.erasure_worker") as few,
                Worker(urls[1], options.large, module="bench.erasure_worker") as many,
            ):
                for worker in (few, many):
                    ready = worker.answer()
                    print(ready["ready"], file=sys.stderr)
                found = {
                    size: take_turns(
                        few, many, size, repeat=options.repeat * (6 if size == 1 else 1)
                    )
                    for size in MAX_RATIO
                }
                print_erasures(found)
                print_growth(found, small=options.small, large=options.large)
                if ready["retention"]:
                    runs, probe = expired(many), probed(many, urls[1])
                    print_retention(runs, probe, memory(urls[1], "few"), memory(urls[1], "many"))
                else:
                    print("\nanonymize_expired: skipped, there is no such command.")
                records = many.measure("ledger", 0)["records"]
                print(f"\nThe ledger holds {records:,} records, all chained.")
        finally:
            for name in names:
                drop_database(url, name)
    return 0 if all(VERDICTS) else 1


if __name__ == "__main__":
    sys.exit(main())
