"""Drop the columns that led from a record to its rows."""

from django.db import migrations


class Migration(migrations.Migration):
    #: See anonymization/backup_notice.py.
    needs_backup = True
    dependencies = [("anonymization", "0009_unlink_records")]

    operations = [
        migrations.RemoveConstraint(model_name="erasure", name="erasure_once_per_subject"),
        migrations.RemoveField(model_name="erasure", name="shells"),
        migrations.RemoveField(model_name="erasure", name="subject"),
    ]
