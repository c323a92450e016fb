"""Add a row for the state of the ledger, and the source of completed erasures."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0010_drop_links")]

    operations = [
        migrations.CreateModel(
            name="LedgerState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "copy_begun_at",
                    models.DateTimeField(null=True, verbose_name="external copy created at"),
                ),
                (
                    "verified_at",
                    models.DateTimeField(null=True, verbose_name="last found valid at"),
                ),
                ("failed_at", models.DateTimeField(null=True, verbose_name="found invalid at")),
            ],
            options={
                "verbose_name": "state of the ledger",
                "verbose_name_plural": "state of the ledger",
                "default_permissions": (),
            },
        ),
        migrations.AlterField(
            model_name="erasure",
            name="door",
            field=models.CharField(
                choices=[
                    ("page", "Staff app"),
                    ("admin", "Django admin"),
                    ("command", "Command"),
                    ("api", "REST API"),
                    ("retention", "Retention period expired"),
                    ("withdrawal", "Withdrawal of consent"),
                    ("replay", "Replay after a restored backup"),
                    ("redo", "Completion of an interrupted erasure"),
                ],
                max_length=20,
                verbose_name="source",
            ),
        ),
    ]
