"""Run a process that dies in an erasure, in the environment of an installation.

    python -m tests.killed before|after GUEST

It kills itself before or after the COMMIT, with its database connection open, like ``kill -9``.
"""

from __future__ import annotations

import os
import signal
import sys

import django


def main() -> None:
    django.setup()
    from django.db import connection

    from anonymization import engine
    from anonymization.ledger.recording import Requester
    from anonymization.models import Source
    from sessions_app.models import Guest

    commit = connection._commit

    def die() -> None:
        if sys.argv[1] == "after":
            commit()
        os.kill(os.getpid(), signal.SIGKILL)

    guest = Guest.objects.get(pk=sys.argv[2])
    connection._commit = die
    engine.erase(guest, requester=Requester(Source.COMMAND))


if __name__ == "__main__":
    main()
