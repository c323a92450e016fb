"""Make an installation that has the packages of one requirements file and no others."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.commands import ROOT

#: A Python that finds no packages, neither the ones of .venv nor the ones of the system.
PYTHON = (sys.executable, "-S")


def required(file: str) -> Iterator[Requirement]:
    """Yield the requirements of a file, without the requirements of the files that it includes."""
    for line in (ROOT / file).read_text().splitlines():
        words = line.partition("#")[0].strip()
        if words and not words.startswith("-"):
            yield Requirement(words)


def closure(requirements: Iterable[Requirement]) -> dict[str, metadata.Distribution]:
    """Return by name the installed distributions that requirements need, directly or indirectly."""
    found: dict[str, metadata.Distribution] = {}
    done, waiting = set(), list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in done:
            continue
        done.add((name, *sorted(requirement.extras)))
        found[name] = metadata.distribution(name)
        waiting += needed(found[name], extras={"", *requirement.extras})
    return found


def needed(distribution: metadata.Distribution, *, extras: set[str]) -> Iterator[Requirement]:
    """Yield the requirements of a distribution on this Python, with some of its extras."""
    for requirement in map(Requirement, distribution.requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def link_packages(folder: Path, distributions: Iterable[metadata.Distribution]) -> None:
    """Fill a folder with links to the packages and the metadata of these distributions."""
    for distribution in distributions:
        tops = {
            file.parts[0] for file in distribution.files or [] if file.parts[0] != "__pycache__"
        }
        for top in tops - {".."}:
            link = folder / top
            # A folder that two distributions share would also link the packages of the other one.
            assert not link.exists(), top
            link.symlink_to(str(distribution.locate_file(top)))
