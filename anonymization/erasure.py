"""Declare the models of this app. Only legal holds, and erasures that wait for one, are about a data subject."""

from django.utils.translation import gettext_noop as _

from anonymization import policy
from anonymization.models import (
    DueErasure,
    Erasure,
    FileDeletion,
    FilesDeleted,
    Hold,
    Maintenance,
    StorageMarker,
)

policy.register(
    Erasure,
    append_only=True,
    keep={
        "requested_by": _(
            "Accountability (GDPR Art. 5(2)): the staff member who carried out the erasure."
        ),
        "client": _("Accountability: the program that requested the erasure."),
        "created_at": _("Accountability: when the erasure was carried out."),
    },
    impersonal={
        "id": _("Random."),
        "number": _("Sequence number of the erasure."),
        "kind": _("Whether a guest or a session was erased."),
        "version": _("Format of the record."),
        "subject": _(
            "Hash of the anonymized record's random identifier, not derived from a person."
        ),
        "day": _("When the erasure was carried out, to the day."),
        "requester": _("Category only (staff, program, system or the person), no name."),
        "previous": _("Links the record to the previous one."),
        "hash": _("Links the next record to this one."),
        "door": _("Page, command, API …"),
        "counts": _("Counts only."),
        "shells": _("Numbers of the anonymized records."),
    },
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
    Maintenance,
    impersonal=dict.fromkeys(
        ("id", "started_at", "finished_at", "rewritten"),
        _("When the space of the erased data was released."),
    ),
)

# The case number may identify a person. Its release clears it, the erasure deletes the row.
policy.register(Hold, by_uid="subject", delete=True)
policy.register(DueErasure, by_uid="subject", delete=True)
