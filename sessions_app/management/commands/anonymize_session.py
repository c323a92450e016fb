"""Anonymize one session, given by its id: for good, in one transaction, safe to repeat.

Guarantees, exit codes and output: see ``anonymization/commands.py``.
"""

from anonymization.commands import EraseCommand
from sessions_app.models import Session


class Command(EraseCommand):
    help = "Anonymize one session."
    model = Session
