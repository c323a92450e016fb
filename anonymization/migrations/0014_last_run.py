"""Store the last good run of each job that cron starts."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anonymization", "0013_remember_copy"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.CharField(
                        choices=[
                            ("retention", "Retention"),
                            ("files", "File queue"),
                            ("ledger", "Ledger verified"),
                            ("maintenance", "Maintenance"),
                        ],
                        max_length=20,
                        unique=True,
                        verbose_name="job",
                    ),
                ),
                (
                    "expected_since",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="expected since",
                    ),
                ),
                ("good_at", models.DateTimeField(null=True, verbose_name="last good run")),
                ("failed_at", models.DateTimeField(null=True, verbose_name="last failed run")),
            ],
            options={
                "verbose_name": "last run of a job",
                "verbose_name_plural": "last runs of jobs",
                "default_permissions": (),
            },
        ),
    ]
