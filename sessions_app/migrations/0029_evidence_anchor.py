"""Anchor ranges of consent events in the erasure ledger."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0028_evidence_hmac"),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidenceAnchor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first_id", models.BigIntegerField(verbose_name="first number")),
                ("last_id", models.BigIntegerField(verbose_name="last number")),
                ("count", models.PositiveBigIntegerField(verbose_name="number of events")),
                ("period", models.DateField(verbose_name="period")),
                ("nonce", models.CharField(max_length=64, verbose_name="random number")),
                ("digest", models.CharField(max_length=64, unique=True, verbose_name="hash")),
                ("hmac", models.CharField(max_length=64, verbose_name="HMAC")),
            ],
            options={
                "verbose_name": "anchor of evidence",
                "verbose_name_plural": "anchors of evidence",
                "ordering": ("first_id", "pk"),
                "default_permissions": (),
            },
        ),
    ]
