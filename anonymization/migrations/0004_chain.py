"""Chain the ledger: each record gets the hash of the one before it, and names its subject by a digest."""

import hashlib
import json
from datetime import UTC
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import migrations, models


ASKED = [
    ("staff", "Member of staff"),
    ("program", "Program"),
    ("system", "The system"),
    ("person", "The person"),
]

#: Who asked, by the door of version 1.
ASKED_BY_DOOR = {
    "page": "staff",
    "admin": "staff",
    "command": "system",
    "api": "program",
    "retention": "system",
    "withdrawal": "person",
    "replay": "system",
}
GENESIS = "0" * 64


def subject_of(uid):
    return hashlib.sha256(b"mluvii-gdpr/erasure-subject/1\0" + uid.bytes).hexdigest()


def hash_of(**fields):
    """Return the hash of a record as version 1 defines it: this migration must compute it for ever."""
    canonical = json.dumps(fields | {"version": 1}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(b"\0" + canonical.encode("ascii")).hexdigest()


def chain(apps, schema_editor):
    """Compute the chain of what was recorded before; the table's own triggers refuse changes meanwhile lifted."""
    postgresql = schema_editor.connection.vendor == "postgresql"
    if postgresql:
        schema_editor.execute("ALTER TABLE anonymization_erasure DISABLE TRIGGER USER")
    previous = GENESIS
    zone = ZoneInfo(settings.TIME_ZONE)
    for erasure in apps.get_model("anonymization", "Erasure").objects.order_by("number").iterator():
        erasure.chained_subject = subject_of(erasure.subject)
        erasure.day = (
            erasure.created_at.replace(tzinfo=erasure.created_at.tzinfo or UTC)
            .astimezone(zone)
            .date()
        )
        erasure.requester = ASKED_BY_DOOR[erasure.door]
        erasure.previous = previous
        erasure.hash = previous = hash_of(
            sequence=erasure.number,
            kind=erasure.kind,
            subject=erasure.chained_subject,
            day=erasure.day.isoformat(),
            requester=erasure.requester,
            previous=previous,
        )
        erasure.save(update_fields=["chained_subject", "day", "requester", "previous", "hash"])
    if postgresql:
        schema_editor.execute("ALTER TABLE anonymization_erasure ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0003_unseen_files")]

    operations = [
        migrations.AddField(
            "erasure",
            "version",
            models.PositiveSmallIntegerField(default=1, verbose_name="version of the format"),
        ),
        migrations.AddField(
            "erasure", "chained_subject", models.CharField(max_length=64, null=True)
        ),
        migrations.AddField("erasure", "day", models.DateField(null=True, verbose_name="day")),
        migrations.AddField(
            "erasure",
            "requester",
            models.CharField(
                choices=ASKED, max_length=20, null=True, verbose_name="requested by a"
            ),
        ),
        migrations.AddField(
            "erasure",
            "previous",
            models.CharField(max_length=64, null=True, verbose_name="hash of the record before"),
        ),
        migrations.AddField(
            "erasure", "hash", models.CharField(max_length=64, null=True, verbose_name="hash")
        ),
        migrations.RunPython(chain, migrations.RunPython.noop),
        migrations.RemoveConstraint("erasure", "erasure_once_per_subject"),
        migrations.RemoveField("erasure", "subject"),
        migrations.RenameField("erasure", "chained_subject", "subject"),
        migrations.AlterField(
            "erasure",
            "subject",
            models.CharField(max_length=64, verbose_name="digest of the subject"),
        ),
        migrations.AlterField("erasure", "day", models.DateField(verbose_name="day")),
        migrations.AlterField(
            "erasure",
            "requester",
            models.CharField(choices=ASKED, max_length=20, verbose_name="requested by a"),
        ),
        migrations.AlterField(
            "erasure",
            "previous",
            models.CharField(max_length=64, unique=True, verbose_name="hash of the record before"),
        ),
        migrations.AlterField(
            "erasure", "hash", models.CharField(max_length=64, unique=True, verbose_name="hash")
        ),
        migrations.AddConstraint(
            "erasure",
            models.UniqueConstraint(fields=("subject", "kind"), name="erasure_once_per_subject"),
        ),
    ]
