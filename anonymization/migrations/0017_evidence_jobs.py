"""Watch the jobs that anchor and verify the evidence of consent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anonymization", "0016_hold"),
    ]

    operations = [
        migrations.AlterField(
            model_name="lastrun",
            name="job",
            field=models.CharField(
                choices=[
                    ("retention", "Retention"),
                    ("files", "File queue"),
                    ("ledger", "Ledger verified"),
                    ("anchor", "Evidence anchored"),
                    ("evidence", "Evidence verified"),
                    ("maintenance", "Maintenance"),
                ],
                max_length=20,
                unique=True,
                verbose_name="job",
            ),
        ),
    ]
