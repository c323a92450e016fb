"""Anonymize one session, given by its id: permanently, in one transaction, safe to repeat.

``anonymization/commands.py`` documents the guarantees, exit codes and output.
"""

from anonymization.commands import EraseCommand
from sessions_app.models import Session


class Command(EraseCommand):
    help = "Anonymize one session."
    model = Session
