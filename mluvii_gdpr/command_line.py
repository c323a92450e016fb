"""Django's command line, with one sentence instead of a traceback where the database or a file is the reason.

A traceback of such a failure hides the reason below a hundred lines, and its text may quote what a visitor typed.
What the sentence can't explain is logged with its frames, as in the servers. ``--traceback`` shows everything.
"""

from __future__ import annotations

import errno
import logging
import os
import pwd
import sys
from contextlib import suppress
from typing import NoReturn

from django.core.management import execute_from_command_line

from mluvii_gdpr.environment import MARKER, WrongEnvironment
from mluvii_gdpr.logs import describe

_RIGHTS = "a file or folder is closed to this user. Run this as the user of the service, or mend owner and mode."
_OF_THE_SYSTEM = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "a volume can't be written. Mount it for writing.",
    errno.ENOSPC: "a volume is full. Free space, then run this again.",
    errno.EDQUOT: "this user's quota of a volume is full. Free space, then run this again.",
    errno.EIO: "a volume fails. Look at its health.",
    errno.ESTALE: "a network share is gone. Mount it again.",
}
logger = logging.getLogger(__name__)


def run(arguments: list[str]) -> None:
    """Run a command of manage.py as it is given on the command line; end the process with 1 where it fails."""
    from django.db import Error

    _warn_root()
    try:
        execute_from_command_line(arguments)
    except WrongEnvironment as wrong:
        sys.exit(f"manage.py does nothing: {wrong}")
    except Error as failure:
        if "--traceback" in arguments:
            raise
        _fail(arguments, _explain(failure))
    except BrokenPipeError:
        # The reader, such as head, has gone. Python would complain again when it flushes the output at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as failure:
        reason = _OF_THE_SYSTEM.get(failure.errno or 0)
        if reason is None or "--traceback" in arguments:
            raise
        _fail(arguments, f"{reason} ({describe(failure)}) --traceback shows where.")


def _warn_root() -> None:
    """Warn root in a production of another user, whose servers could neither read nor write what root leaves."""
    var = MARKER.parent
    if os.geteuid() != 0 or not os.path.lexists(MARKER) or (owner := var.stat().st_uid) == 0:
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    sys.stderr.write(
        f"manage.py runs as root, but {var} belongs to {name}: the servers may not use what root writes. "
        f"Better: runuser -u {name} -- .venv/bin/python manage.py …\n"
    )


def _fail(arguments: list[str], reason: str) -> NoReturn:
    sys.exit(f"{' '.join(['manage.py', *arguments[1:2]])} failed: {reason}")


def _explain(failure: Exception) -> str:
    from django.db import Error, connections

    from mluvii_gdpr.database_failures import explain

    try:
        with suppress(Error):
            if reason := explain(failure):
                return reason
    finally:
        connections.close_all()
    logger.error("a statement failed", exc_info=failure)
    return "the database refused a statement; the lines above say where. --traceback shows its text as well."
