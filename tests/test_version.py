"""Test that the version that certificates name is the newest one of the changelog."""

from __future__ import annotations

import re
import tomllib

from lib.version import VERSION
from tests.checkout import ROOT


def test_the_changelog_begins_with_the_version_of_the_software() -> None:
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == VERSION, "lib/version.py and CHANGELOG.md change together"
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_no_other_file_names_a_version_that_can_differ() -> None:
    assert "project" not in tomllib.loads((ROOT / "pyproject.toml").read_text())
