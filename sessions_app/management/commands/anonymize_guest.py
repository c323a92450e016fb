"""Anonymize one guest, given by its id: permanently, in one transaction, safe to repeat.

``anonymization/commands.py`` documents the guarantees, exit codes and output.
"""

from anonymization.commands import EraseCommand
from sessions_app.models import Guest


class Command(EraseCommand):
    help = "Anonymize one guest."
    model = Guest
