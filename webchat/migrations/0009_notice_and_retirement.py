"""Publish privacy notices, and retire faulty versions."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webchat", "0008_gdpr_data"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Retirement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "retired_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="retired at"
                    ),
                ),
            ],
            options={
                "verbose_name": "retirement of a version",
                "verbose_name_plural": "retirements of versions",
                "default_permissions": (),
            },
        ),
        migrations.RemoveConstraint(
            model_name="consentversion",
            name="consent_version_number",
        ),
        migrations.AddField(
            model_name="consentversion",
            name="kind",
            field=models.CharField(
                choices=[("consent", "Consent text"), ("notice", "Privacy notice")],
                db_default="consent",
                default="consent",
                max_length=10,
                verbose_name="kind of text",
            ),
        ),
        migrations.AddConstraint(
            model_name="consentversion",
            constraint=models.UniqueConstraint(
                fields=("webchat", "kind", "number"), name="consent_version_number"
            ),
        ),
        migrations.AddField(
            model_name="retirement",
            name="retired_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="retired by",
            ),
        ),
        migrations.AddField(
            model_name="retirement",
            name="version",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="retirement",
                to="webchat.consentversion",
                verbose_name="version",
            ),
        ),
    ]
