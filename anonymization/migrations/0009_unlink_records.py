"""Take the links to anonymized rows out of the stored records. This can't be undone.

A record keeps the hash that is chained, the number of its rows and who requested it. Its exact time
and counts stay only while its period is not over, as in new records.
"""

from datetime import timedelta

from django.conf import settings
from django.db import migrations
from django.utils import timezone

CHUNK = 1000
#: The grounds that the source of a record of version 1 tells.
GROUNDS = {"retention": "retention", "withdrawal": "withdrawal"}


def period_of(day):
    if settings.ERASURE_TIME_PRECISION == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday() if settings.ERASURE_TIME_PRECISION == "week" else 0)


def unlink(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    if postgresql:
        schema_editor.execute("ALTER TABLE anonymization_erasure DISABLE TRIGGER USER")
    Erasure = apps.get_model("anonymization", "Erasure")
    FileDeletion = apps.get_model("anonymization", "FileDeletion")
    FilesDeleted = apps.get_model("anonymization", "FilesDeleted")
    AwaitingFiles = apps.get_model("anonymization", "AwaitingFiles")
    queued = FileDeletion.objects.exclude(erasure=None).values_list("erasure_id", flat=True)
    pending = set(queued.distinct())
    current = period_of(timezone.localdate())
    last = 0
    while batch := list(Erasure.objects.filter(number__gt=last).order_by("number")[:CHUNK]):
        last = batch[-1].number
        over = []
        for erasure in batch:
            erasure.subjects = [erasure.subject]
            erasure.rows = sum(map(len, erasure.shells.values()))
            erasure.ground = GROUNDS.get(erasure.door, "")
            if erasure.pk in pending:
                AwaitingFiles.objects.bulk_create(
                    AwaitingFiles(erasure_id=erasure.pk, label=label, key=key)
                    for label, keys in erasure.shells.items()
                    for key in keys
                )
            elif period_of(erasure.day) < current:
                erasure.created_at, erasure.counts = None, {}
                over.append(erasure.pk)
        Erasure.objects.bulk_update(
            batch, ["subjects", "rows", "ground", "created_at", "counts"], batch_size=CHUNK // 10
        )
        FilesDeleted.objects.filter(erasure__in=over).delete()
    if postgresql:
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute("ALTER TABLE anonymization_erasure ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    #: See anonymization/backup_notice.py.
    needs_backup = True
    dependencies = [("anonymization", "0008_version_2")]

    operations = [migrations.RunPython(unlink)]
