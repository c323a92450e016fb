"""The environment file: where a production keeps its variables.

``MLUVII_GDPR_ENV`` names the file. Without that variable, ``var/production`` is the file or, as the installation
makes it, a link to it: a command in a fresh shell then acts on the database of the production, or on none.

A file may hold empty lines, comments, and lines ``NAME=value``, as far as a shell (``. file``) and systemd
(``EnvironmentFile=``) read them alike. A value stands bare, in single or in double quotes.
As with these two, the file wins over a variable that the process already has.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

VARIABLE = "MLUVII_GDPR_ENV"
MARKER = Path(__file__).resolve().parent.parent / "var" / "production"
# A child process has the variables of its parent, with what the parent changed in them, and does not read again.
# A file that somebody edits would otherwise reach one worker of a server and not the others.
_READ = "MLUVII_GDPR_ENV_READ"

_IGNORED = re.compile(r"[ \t]*(#.*)?(?<!\\)")
_LINE = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
    (?:
        (?P<bare>[^\s\x00-\x1f\x7f"'\\$`;&|<>()~]*)
        | '(?P<single>[^\x00-\x1f\x7f'\\]*)'
        | "(?P<double>(?:[^\x00-\x1f\x7f"\\$`]|\\["\\$`])*)"
    )[ \t]*""",
    re.VERBOSE,
)


class WrongEnvironment(ImproperlyConfigured):
    """A variable, or the file of them, is missing or wrong. The message says what to set and quotes no value."""


def load() -> Path | None:
    """Put the variables of the environment file into this process's environment; return the file, if there is one.

    Raises:
        WrongEnvironment: the file can't be read, or a line of it could be read in two ways.
    """
    path = _find()
    if path is not None and os.environ.get(_READ) != str(path):
        os.environ.update(_parse(_read(path), path))
        os.environ[_READ] = str(path)
    return path


def refuse_in_production() -> None:
    """Refuse to go on where there is an environment file, for what makes and deletes data to test or to measure.

    Raises:
        WrongEnvironment: there is one.
    """
    if path := _find():
        raise WrongEnvironment(
            f"{path} makes this a production: use another checkout for tests and measurements."
        )


def _find() -> Path | None:
    if name := os.environ.get(VARIABLE):
        return Path(name).absolute()
    try:
        MARKER.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:  # a folder that is closed to this user may hold one
        raise _unreadable(MARKER, error) from None
    return MARKER


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise WrongEnvironment(f"{path} must be UTF-8 text.") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> WrongEnvironment:
    return WrongEnvironment(
        f"{path} can't be read ({error.strerror}). It is, or leads to, the environment of this production: "
        "run this as the user of the service, or mend the path."
    )


def _parse(text: str, path: Path) -> dict[str, str]:
    variables = {}
    for number, line in enumerate(text.split("\n"), 1):
        if found := _LINE.fullmatch(line):
            bare, single, double = found["bare"], found["single"], found["double"]
            quoted = single if double is None else re.sub(r"\\(.)", r"\1", double)
            variables[found["name"]] = quoted if bare is None else bare
        elif not _IGNORED.fullmatch(line):
            raise WrongEnvironment(
                f"Line {number} of {path} must be NAME=value, without blanks around the sign. A value with blanks or "
                "special characters stands in single quotes; if it holds one or a backslash, in double quotes with "
                'a backslash before each of " \\ $ `.'
            )
    return variables
