"""Anonymize one guest, given by its id: for good, in one transaction, safe to repeat.

Guarantees, exit codes and output: see ``anonymization/commands.py``.
"""

from anonymization.commands import EraseCommand
from sessions_app.models import Guest


class Command(EraseCommand):
    help = "Anonymize one guest."
    model = Guest
