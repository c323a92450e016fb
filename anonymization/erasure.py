"""What this app stores about people: nothing that names a data subject."""

from django.utils.translation import gettext_noop as _

from anonymization import policy
from anonymization.models import Erasure, FileDeletion, FilesDeleted, Maintenance, StorageMarker

policy.register(
    Erasure,
    append_only=True,
    keep={
        "requested_by": _(
            "Accountability (GDPR Art. 5(2)): the member of staff who carried the erasure out."
        ),
        "client": _("Accountability: the program of the company that asked for it."),
        "created_at": _("Accountability: when the erasure was carried out."),
    },
    impersonal={
        "id": _("Random."),
        "number": _("Counts the erasures."),
        "kind": _("Guest or session."),
        "version": _("Format of the record."),
        "subject": _("Digest of the emptied record's random identifier, not derived from a person."),
        "day": _("When the erasure was carried out, to the day."),
        "requester": _("Staff, program, system or the person: a class, nobody by name."),
        "previous": _("Binds the record to the one before it."),
        "hash": _("Binds the next record to this one."),
        "door": _("Page, command, API …"),
        "counts": _("Numbers."),
        "shells": _("Numbers of emptied records."),
    },
)

policy.register(
    FileDeletion,
    impersonal={
        **dict.fromkeys(
            ("id", "erasure", "queued_at", "name", "attempts"),
            _("Random name of a stored file, until the file is gone."),
        ),
        "subject": _("Random identifier of the session that a file is being sent in."),
    },
)

policy.register(
    StorageMarker,
    impersonal=dict.fromkeys(("id", "uid"), _("Random: tells the right storage of files from a wrong one.")),
)

policy.register(
    FilesDeleted, impersonal=dict.fromkeys(("erasure", "at"), _("When the files of an erasure were gone."))
)

policy.register(
    Maintenance,
    impersonal=dict.fromkeys(
        ("id", "started_at", "finished_at", "rewritten"),
        _("When the bytes of what was erased were given back."),
    ),
)
