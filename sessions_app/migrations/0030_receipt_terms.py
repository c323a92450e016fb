"""Store what the receipt of a consent states, so that it never changes later."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0029_evidence_anchor"),
        ("webchat", "0009_notice_and_retirement"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReceiptTerms",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("content", models.TextField(verbose_name="content")),
                (
                    "recorded_on",
                    models.DateField(blank=True, null=True, verbose_name="recorded on"),
                ),
                (
                    "webchat",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="receipt_terms",
                        to="webchat.webchat",
                        verbose_name="WebChat",
                    ),
                ),
            ],
            options={
                "verbose_name": "terms of receipts",
                "verbose_name_plural": "terms of receipts",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="session",
            name="receipt_terms",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="sessions_app.receiptterms",
                verbose_name="terms of the receipt",
            ),
        ),
    ]
