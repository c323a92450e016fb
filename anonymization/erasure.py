"""Declare the models of this app. Only legal holds and due erasures are about a data subject."""

from django.utils.translation import gettext_noop as _

from anonymization import policy
from anonymization.models import (
    AwaitingFiles,
    DueErasure,
    Erasure,
    FileDeletion,
    FilesDeleted,
    Hold,
    LastRun,
    LedgerState,
    Maintenance,
    StorageMarker,
)

_ACCOUNTABILITY = _("Accountability (GDPR Art. 5(2)): who carried out the erasure, and why.")
_UNTIL_PERIOD_ENDS = _("Cleared when the period of the erasure is over.")

policy.register(
    Erasure,
    append_only=True,
    forgettable={"created_at": None, "salt": "", "counts": dict, "evidence": list},
    keep={
        **dict.fromkeys(("requested_by", "client", "ground"), _ACCOUNTABILITY),
        **dict.fromkeys(("created_at", "counts", "evidence", "salt"), _UNTIL_PERIOD_ENDS),
    },
    impersonal={
        "id": _("Random."),
        "number": _("Sequence number of the erasure."),
        "kind": _("Whether a guest or a session was erased."),
        "version": _("Format of the record."),
        "subjects": _(
            "Hashes of the random identifiers that the anonymized rows had. The rows have them no "
            "longer."
        ),
        "facts": _("Salted hash of time, source, requester, ground and counts."),
        "day": _("When the erasure was carried out, to the day."),
        "requester": _("Category only (staff, program, system or the person), no name."),
        "previous": _("Links the record to the previous one."),
        "hash": _("Links the next record to this one."),
        "rows": _("Counts only."),
        "door": _("Page, command, API …"),
    },
)

policy.register(
    AwaitingFiles,
    impersonal=dict.fromkeys(
        ("id", "erasure", "label", "key"),
        _("Which anonymized rows still have files to delete, until the files are deleted."),
    ),
)

policy.register(
    FileDeletion,
    impersonal={
        **dict.fromkeys(
            ("id", "erasure", "queued_at", "name", "attempts"),
            _("Random name of a stored file, until the file is deleted."),
        ),
        "subject": _("Random identifier of the session that a file is being sent in."),
    },
)

policy.register(
    StorageMarker,
    impersonal=dict.fromkeys(
        ("id", "uid"), _("Random: distinguishes the right file storage from a wrong one.")
    ),
)

policy.register(
    FilesDeleted,
    impersonal=dict.fromkeys(
        ("erasure", "at"), _("When the files of an erasure had been deleted.")
    ),
)

policy.register(
    LedgerState,
    impersonal=dict.fromkeys(
        ("id", "copy_begun_at", "verified_at", "failed_at"),
        _("When the ledger was verified, and whether it has an external copy."),
    ),
)

policy.register(
    Maintenance,
    impersonal=dict.fromkeys(
        ("id", "started_at", "finished_at", "rewritten", "in_key_order"),
        _("When the space of the erased data was released."),
    ),
)

# The case number may identify a person. Its release clears it, the erasure deletes the row.
policy.register(Hold, by_uid="subject", delete=True)
policy.register(DueErasure, by_uid="subject", delete=True)
policy.register(
    LastRun,
    impersonal=dict.fromkeys(
        ("id", "job", "expected_since", "good_at", "failed_at", "began_at"),
        _("When a job of the installation last ran."),
    ),
)
