"""Print the number of anonymized records by model and the number of files to be deleted.

Also prints the last good run of each job that cron starts, a run of retention that began and has
not finished, and the state of the database compared with the external copy of the ledger: even,
behind (a backup was restored), missing or foreign. Counts the active legal holds, those whose
review is overdue, and the erasures that wait for a release. Changes nothing.

Exit codes:

- 0: every erasure is complete
- 1: stored files of an erasure are left, the external copy is not even, the storage is not the
  one that the files were written to, or a job failed or is overdue
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anonymization import runs
from anonymization.files import unfinished_uploads
from anonymization.ledger import external_copy, recording
from anonymization.maintenance import erased_since_last_run
from anonymization.models import DueErasure, Erasure, FileDeletion, Hold, StorageMarker
from anonymization.policy import registry
from anonymization.restoration import Standing, standing
from anonymization.storage import storage_problem

#: The state of the external copy without ERASURE_LEDGER_DIR, by whether one exists.
_WITHOUT = {False: "none is kept", True: "exists, but ERASURE_LEDGER_DIR is not set"}
_WRONG = {"failed": "failed.", "overdue": "is too long ago. Check cron."}


class Command(BaseCommand):
    help = "Count the anonymized records and the stored files to be deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        copy, jobs, unset = standing(), runs.states(), recording.lacks_setting()
        status: dict[str, Any] = {
            "erasures": Erasure.objects.of_people().count(),
            "pending_files": FileDeletion.objects.exclude(erasure=None).count(),
            "unfinished_uploads": unfinished_uploads(),
            "not_physically_complete": erased_since_last_run().count(),
            "storage": storage_problem() or "It is the one that the files were written to.",
            "outside_copy": copy.value if external_copy.file_of() else _WITHOUT[unset],
            "holds": Hold.objects.active().count(),
            "holds_overdue": Hold.objects.count_overdue(),
            "erasures_waiting": DueErasure.objects.count(),
            "last_good_run": {
                state.job.value: state.good_at.isoformat() if state.good_at else "never"
                for state in jobs
            },
            "unfinished_run": {
                state.job.value: state.unfinished_since.isoformat()
                for state in jobs
                if state.unfinished_since
            },
            "anonymized": {
                p.label: p.model._base_manager.exclude(**{p.mark: None}).count()
                for p in registry
                if p.mark
            },
            "identified": {
                p.label: p.model._base_manager.filter(**{p.mark: None}).count()
                for p in registry
                if p.mark
            },
        }
        if options["json"]:
            self.stdout.write(json.dumps(status))
        else:
            self._print(status)
        wrong = []
        if unset:
            wrong.append(
                "An external copy of the ledger exists, but ERASURE_LEDGER_DIR is not set. Set it."
            )
        if copy is not Standing.EVEN:
            wrong.append(f"The external copy of the ledger is {copy.value}. {copy.advice}")
        if StorageMarker.objects.exists() and (problem := storage_problem()):
            wrong.append(problem)
        if status["pending_files"]:
            wrong.append(f"{status['pending_files']} files of erasures are not deleted yet.")
        wrong += [
            f"{state.job.value}: the last run {_WRONG[state.wrong]}"
            for state in jobs
            if state.wrong
        ]
        if wrong:
            raise CommandError(" ".join(wrong))

    def _print(self, status: dict[str, Any]) -> None:
        for name, value in status.items():
            for line, number in value.items() if isinstance(value, dict) else [("", value)]:
                self.stdout.write(f"{name} {line}".strip() + f": {number}")
