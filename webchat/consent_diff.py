"""Compare two texts by lines, and changed lines by words, with bounded cost."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from typing import NamedTuple


class DiffPart(NamedTuple):
    """A part of a line: ``equal``, ``removed`` or ``added``. A template must escape its text."""

    kind: str
    text: str


class DiffLine(NamedTuple):
    """A line: ``equal``, ``removed``, ``added``, or ``changed`` if only some parts differ."""

    kind: str
    parts: tuple[DiffPart, ...]


class DiffRun(NamedTuple):
    """Consecutive lines that are either shown or folded.

    Lines are folded if they have not changed and are not next to a changed line.
    """

    is_folded: bool
    lines: list[DiffLine]


def runs_of(lines: Sequence[DiffLine]) -> list[DiffRun]:
    """Return all lines in runs: changes with one equal line on each side, and the lines between.

    A single line between two runs is not folded, because the fold would need as much space.
    """
    changed = [position for position, line in enumerate(lines) if line.kind != "equal"]
    near = {position + step for position in changed for step in (-1, 0, 1)}
    groups = groupby(range(len(lines)), key=near.__contains__)
    runs = [(is_near, [lines[position] for position in group]) for is_near, group in groups]
    return [DiffRun(not is_near and len(run) > 1, run) for is_near, run in runs]


def diff_lines(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    """Return all lines of both texts in reading order. Similar lines are compared by words."""
    lines: list[DiffLine] = []
    for equal, old_slice, new_slice in _compare(before, after):
        if equal:
            lines += [_line("equal", text) for text in before[old_slice]]
        else:
            lines += _replaced(before[old_slice], after[new_slice])
    return lines


def _line(kind: str, text: str) -> DiffLine:
    return DiffLine(kind, (DiffPart(kind, text),))


_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def _replaced(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffLine]:
    """Pair similar lines in order. The other lines are returned as removed or added."""
    words = [Counter(_TOKEN.findall(line)) for line in after]
    start = 0
    for line in before:
        found = _alike(
            Counter(_TOKEN.findall(line)), words, range(start, min(len(after), start + 20))
        )
        if found is None:
            yield _line("removed", line)
            continue
        yield from (_line("added", text) for text in after[start:found])
        yield DiffLine("changed", tuple(_changed(line, after[found])))
        start = found + 1
    yield from (_line("added", text) for text in after[start:])


def _alike(words: Counter[str], candidates: list[Counter[str]], positions: range) -> int | None:
    """Return the first position whose line shares at least half of the words, or None."""
    for position in positions:
        other = candidates[position]
        shared = sum((words & other).values())
        if 2 * shared >= max(sum(words.values()), sum(other.values())):
            return position
    return None


def _changed(before: str, after: str) -> Iterator[DiffPart]:
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    removed = added = ""
    pieces = list(_compare(old, new))
    for number, (equal, old_slice, new_slice) in enumerate(pieces):
        old_text, new_text = "".join(old[old_slice]), "".join(new[new_slice])
        if equal and (not old_text.isspace() or number in {0, len(pieces) - 1}):
            yield from _flush(removed, added)
            removed = added = ""
            yield DiffPart("equal", old_text)
        else:
            # A single space between two changes becomes part of them.
            removed, added = removed + old_text, added + new_text
    yield from _flush(removed, added)


def _flush(removed: str, added: str) -> list[DiffPart]:
    return [DiffPart(kind, text) for kind, text in (("removed", removed), ("added", added)) if text]


Piece = tuple[bool, slice, slice]
# Remainders are compared element by element only if the product of their lengths is not larger.
_SMALL = 10_000


def _compare(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    """Yield the pieces of both sequences in order, each either equal or replaced.

    This is a patience diff. Elements that occur once on both sides are anchors. Between two
    anchors, a small remainder is compared exactly and a large one counts as replaced. Therefore no
    input makes it slow.
    """
    position_old = position_new = 0
    for start_old, start_new, size in [*_matches(old, new), (len(old), len(new), 0)]:
        if start_old > position_old or start_new > position_new:
            yield False, slice(position_old, start_old), slice(position_new, start_new)
        if size:
            yield True, slice(start_old, start_old + size), slice(start_new, start_new + size)
        position_old, position_new = start_old + size, start_new + size


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return the common parts as (start in old, start in new, length), in order and merged."""
    pairs: list[tuple[int, int]] = []
    waiting = [(0, len(old), 0, len(new), 0)]
    while waiting:
        a, b, c, d, depth = waiting.pop()
        while a < b and c < d and old[a] == new[c]:
            pairs.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
            pairs.append((b, d))
        anchors = _anchors(old[a:b], new[c:d]) if depth < 20 else []
        if anchors:
            edges = [(a - 1, c - 1), *((a + i, c + j) for i, j in anchors), (b, d)]
            pairs += edges[1:-1]
            waiting += [(i + 1, k, j + 1, m, depth + 1) for (i, j), (k, m) in pairwise(edges)]
        elif (b - a) * (d - c) <= _SMALL:
            blocks = SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_matching_blocks()
            pairs += [(a + i + n, c + j + n) for i, j, size in blocks for n in range(size)]
    return _joined(sorted(pairs))


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest chain of elements that are unique and ascending on both sides."""
    once_old, once_new = Counter(old), Counter(new)
    place = {text: position for position, text in enumerate(new) if once_new[text] == 1}
    found = [
        (i, place[text]) for i, text in enumerate(old) if once_old[text] == 1 and text in place
    ]
    return _longest_rising(found)


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    tops: list[int] = []
    top_index: list[int] = []
    previous: list[int] = []
    for index, (_, position) in enumerate(pairs):
        pile = bisect_left(tops, position)
        previous.append(top_index[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [position]
        top_index[pile : pile + 1] = [index]
    chain = []
    index = top_index[-1] if top_index else -1
    while index >= 0:
        chain.append(pairs[index])
        index = previous[index]
    return chain[::-1]


def _joined(pairs: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    joined: list[tuple[int, int, int]] = []
    for i, j in pairs:
        if joined and (i, j) == (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]):
            joined[-1] = (*joined[-1][:2], joined[-1][2] + 1)
        else:
            joined.append((i, j, 1))
    return joined
