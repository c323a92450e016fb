"""Add the fields of version 2 of the ledger."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anonymization", "0007_plain_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AwaitingFiles",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("label", models.CharField(max_length=100, verbose_name="model")),
                ("key", models.BigIntegerField(verbose_name="number of the row")),
            ],
            options={
                "verbose_name": "row that awaits file deletions",
                "verbose_name_plural": "rows that await file deletions",
                "default_permissions": (),
            },
        ),
        migrations.RemoveIndex(
            model_name="erasure",
            name="erasure_created",
        ),
        migrations.AddField(
            model_name="erasure",
            name="evidence",
            field=models.JSONField(default=list, verbose_name="kept evidence"),
        ),
        migrations.AddField(
            model_name="erasure",
            name="facts",
            field=models.CharField(blank=True, max_length=64, verbose_name="hash of the facts"),
        ),
        migrations.AddField(
            model_name="erasure",
            name="ground",
            field=models.CharField(
                blank=True,
                choices=[
                    ("request", "Request of the person (Art. 17 GDPR)"),
                    ("withdrawal", "Withdrawal of consent"),
                    ("retention", "Retention period expired"),
                    ("authority", "Order of a court or authority"),
                    ("mistake", "Mistake or test data"),
                    ("other", "Other reason"),
                ],
                max_length=20,
                verbose_name="ground",
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="rows",
            field=models.PositiveIntegerField(default=0, verbose_name="number of anonymized rows"),
        ),
        migrations.AddField(
            model_name="erasure",
            name="salt",
            field=models.CharField(blank=True, max_length=64, verbose_name="salt of the facts"),
        ),
        migrations.AddField(
            model_name="erasure",
            name="subjects",
            field=models.JSONField(default=list, verbose_name="hashes of the random identifiers"),
        ),
        migrations.AlterField(
            model_name="erasure",
            name="created_at",
            field=models.DateTimeField(null=True, verbose_name="carried out at"),
        ),
        migrations.AlterField(
            model_name="erasure",
            name="version",
            field=models.PositiveSmallIntegerField(default=2, verbose_name="version of the format"),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(fields=["day"], name="erasure_day"),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(
                condition=models.Q(("created_at__isnull", False)),
                fields=["created_at"],
                name="erasure_facts",
            ),
        ),
        migrations.AddField(
            model_name="awaitingfiles",
            name="erasure",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="awaiting_files",
                to="anonymization.erasure",
                verbose_name="erasure",
            ),
        ),
        migrations.AddIndex(
            model_name="awaitingfiles",
            index=models.Index(fields=["key", "label"], name="awaiting_files_row"),
        ),
    ]
