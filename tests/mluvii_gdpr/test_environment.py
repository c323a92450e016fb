"""Test that the environment file is read as by a shell, and that ambiguous lines are refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mluvii_gdpr import environment
from mluvii_gdpr.environment import WrongEnvironment

# Accepted values, and how a shell and systemd read them.
RIGHT = {
    "": "",
    '"Example s.r.o."': "Example s.r.o.",
    "'Dlouhá 1, 110 00 Praha'": "Dlouhá 1, 110 00 Praha",
    "žluť": "žluť",
    "a#b": "a#b",
    "#b": "#b",
    "'a #b $HOME `x` \"q\" ~ * ;'": 'a #b $HOME `x` "q" ~ * ;',
    r'"a\$b \"q\" \\ \` it' + "'s" + r' #~*;&"': 'a$b "q" \\ ` it\'s #~*;&',
    "a ": "a",
    "localhost,127.0.0.1,[::1],*": "localhost,127.0.0.1,[::1],*",
    "postgres://u:a%23b@127.0.0.1:5432/db?sslmode=require": (
        "postgres://u:a%23b@127.0.0.1:5432/db?sslmode=require"
    ),
    "http://{host}:8001/events/": "http://{host}:8001/events/",
    "a=b!c+d^e": "a=b!c+d^e",
}
# Lines that a shell or systemd would read differently, or not at all.
WRONG = [
    "NAME=a b", "NAME=$kanar", 'NAME="$kanar"', "NAME=`kanar`", 'NAME="`kanar`"', "NAME=a&kanar", "NAME=a;kanar",
    r"NAME=a\kanar", r"NAME='a\kanar'", r'NAME="a\nkanar"', "NAME=~/kanar", "NAME=a:~/kanar", "NAME=a|kanar",
    "NAME=a(kanar)", "NAME='kanar", 'NAME="kanar', "NAME='kanar'x", "NAME=\"kanar\"'x'", "NAME=kanar'x'",
    "NAME =kanar", "NAME= kanar", " NAME=kanar", "export NAME=kanar", "NAME: kanar", "NA-ME=kanar", "1NAME=kanar",
    "kanar", "; kanar", "NAME=kanar\r", "NAME='kanar\x1b'", "# kanar \\", "\ufeffNAME=kanar",
]  # fmt: skip


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Replace the variables of the process, without a marker, and return them."""
    own = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr("os.environ", own)
    monkeypatch.setattr(environment, "MARKER", tmp_path / "var" / "production")
    return own


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    return tmp_path / "production.env"


def test_it_is_read_as_a_shell_reads_it(process: dict[str, str], file: Path) -> None:
    lines = [f"V{number}={written}\n" for number, written in enumerate(RIGHT)]
    file.write_text("# Comment: NAME=x\n\n  # another\n" + "".join(lines))
    process["MLUVII_GDPR_ENV"] = str(file)
    assert environment.load() == file
    command = ["sh", "-c", 'set -a; . "$1"; exec env -0', "sh", str(file)]
    said = subprocess.run(
        command, env={"PATH": process["PATH"]}, capture_output=True, text=True, check=True
    ).stdout
    shell = dict(line.split("=", 1) for line in said.split("\0") if line)
    for number, value in enumerate(RIGHT.values()):
        assert (process[f"V{number}"], shell[f"V{number}"]) == (value, value)


@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_could_be_read_in_two_ways_is_refused(
    process: dict[str, str], file: Path, line: str
) -> None:
    file.write_bytes(f"DEBUG=off\n{line}\n".encode())
    process["MLUVII_GDPR_ENV"] = str(file)
    with pytest.raises(WrongEnvironment, match=rf"^Line 2 of {file} must be NAME=value, ") as wrong:
        environment.load()
    assert "kanar" not in str(wrong.value)
    assert "DEBUG" not in process, "all of it or nothing"


def test_the_file_wins_over_the_process_and_is_read_once(
    process: dict[str, str], file: Path
) -> None:
    file.write_text("DATABASE_URL=postgres://right\nDATABASE_POOL=8\n")
    process |= {
        "MLUVII_GDPR_ENV": str(file),
        "DATABASE_URL": "sqlite:////left/from/a/trial",
        "LANG": "C",
    }
    environment.load()
    assert (process["DATABASE_URL"], process["LANG"]) == ("postgres://right", "C")
    # gunicorn.events.py does the same. A later worker does not read a half-written file.
    process["DATABASE_POOL"] = "2"
    file.write_text("half wri")
    assert environment.load() == file
    assert process["DATABASE_POOL"] == "2"


def test_the_marker_is_the_file_or_a_link_to_it(process: dict[str, str], file: Path) -> None:
    assert environment.load() is None
    file.write_text("NAME=linked\n")
    environment.MARKER.symlink_to(file)
    assert environment.load() == environment.MARKER
    assert process["NAME"] == "linked"
    other = file.with_name("other.env")
    other.write_text("NAME=named\n")
    process["MLUVII_GDPR_ENV"] = str(other)
    assert environment.load() == other
    assert process["NAME"] == "named"


def test_an_empty_marker_is_enough(process: dict[str, str], file: Path) -> None:
    environment.MARKER.touch()
    process["NAME"] = "of a container"
    assert environment.load() == environment.MARKER
    assert process["NAME"] == "of a container"


@pytest.mark.parametrize("reason", ["No such file or directory", "Is a directory"])
def test_a_file_that_cannot_be_read_stops_the_start(
    process: dict[str, str], file: Path, reason: str
) -> None:
    if reason == "Is a directory":
        file.mkdir()
    environment.MARKER.symlink_to(file)
    for path in (environment.MARKER, file):
        with pytest.raises(
            WrongEnvironment, match=rf"^{path} can't be read \({reason}\)\. .* run this as "
        ):
            environment.load()
        process["MLUVII_GDPR_ENV"] = str(file)


def test_a_folder_that_is_closed_to_this_user_may_hold_a_marker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refuse)
    with pytest.raises(
        WrongEnvironment, match=r"/var/production can't be read \(Permission denied\)\. "
    ):
        environment.load()


def test_bytes_that_are_no_text_are_refused(process: dict[str, str], file: Path) -> None:
    file.write_bytes(b"NAME=\xff\n")
    process["MLUVII_GDPR_ENV"] = str(file)
    with pytest.raises(WrongEnvironment, match=rf"^{file} must be UTF-8 text\.$"):
        environment.load()
