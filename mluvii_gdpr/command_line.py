"""Django's command line, with one sentence instead of a traceback where the database is the reason.

A traceback of such a failure hides the reason below a hundred lines, and its text may quote what a visitor typed.
What the sentence can't explain is logged with its frames, as in the servers. ``--traceback`` shows everything.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from django.core.management import execute_from_command_line

from mluvii_gdpr.environment import WrongEnvironment

logger = logging.getLogger(__name__)


def run(arguments: list[str]) -> None:
    """Run a command of manage.py as it is given on the command line; end the process with 1 where it fails."""
    from django.db import Error

    try:
        execute_from_command_line(arguments)
    except WrongEnvironment as wrong:
        sys.exit(f"manage.py does nothing: {wrong}")
    except Error as failure:
        if "--traceback" in arguments:
            raise
        sys.exit(f"{' '.join(['manage.py', *arguments[1:2]])} failed: {_explain(failure)}")


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
