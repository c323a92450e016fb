"""Load the environment file, in which a production keeps its variables.

``MLUVII_GDPR_ENV`` is the path of the file. Without this variable, the file is ``var/production``,
or the installation creates ``var/production`` as a link to it. A command in a new shell then uses
the database of the production, or fails.

The file may contain empty lines, comments and lines ``NAME=value``, if a shell (``. file``) and
systemd (``EnvironmentFile=``) read them in the same way. A value may be bare, in single quotes or
in double quotes. As in these two programs, the file overrides variables that the process already
has.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

VARIABLE = "MLUVII_GDPR_ENV"
MARKER = Path(__file__).resolve().parent.parent / "var" / "production"
# A child process inherits the variables of its parent, including changes by the parent, and does
# not read the file again. Otherwise an edited file would change one worker of a server but not the
# others.
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
    """A variable or the environment file is missing or wrong.

    The message tells what to set and does not contain the value.
    """


def load() -> Path | None:
    """Add the variables of the environment file to this process; return the file or None.

    Raises:
        WrongEnvironment: the file cannot be read, or a line is ambiguous.
    """
    path = _find()
    if path is not None and os.environ.get(_READ) != str(path):
        os.environ.update(_parse(_read(path), path))
        os.environ[_READ] = str(path)
    return path


def refuse_in_production() -> None:
    """Stop programs that create and delete data for tests or measurements in a production.

    Raises:
        WrongEnvironment: there is an environment file.
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
    except OSError as error:  # This user cannot read the folder, which may contain the file.
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
