"""Remember the start of a run that has not finished, so that a killed one is reported."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anonymization", "0017_evidence_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="lastrun",
            name="began_at",
            field=models.DateTimeField(null=True, verbose_name="start of an unfinished run"),
        ),
    ]
