"""Add legal holds, and the erasures that wait for one."""

import anonymization.models
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anonymization", "0015_key_order"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DueErasure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=100, verbose_name="kind")),
                (
                    "subject",
                    models.UUIDField(
                        unique=True, verbose_name="random identifier of the record to be erased"
                    ),
                ),
                (
                    "source",
                    models.CharField(
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
                (
                    "ground",
                    models.CharField(
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
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="requested at"
                    ),
                ),
            ],
            options={
                "verbose_name": "erasure that waits for a legal hold",
                "verbose_name_plural": "erasures that wait for a legal hold",
                "ordering": ("pk",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=100, verbose_name="kind")),
                ("subject", models.UUIDField(verbose_name="random identifier of the held record")),
                (
                    "ground",
                    models.CharField(
                        choices=[
                            ("17-3-b", "Legal obligation or public task (Art. 17(3)(b))"),
                            ("17-3-e", "Legal claims of the controller (Art. 17(3)(e))"),
                            ("18-1-a", "Accuracy is contested (Art. 18(1)(a))"),
                            (
                                "18-1-b",
                                "Unlawful processing, restriction instead of erasure (Art. 18(1)(b))",
                            ),
                            (
                                "18-1-c",
                                "The person needs the data for legal claims (Art. 18(1)(c))",
                            ),
                            ("18-1-d", "An objection is being verified (Art. 18(1)(d))"),
                            ("21-1", "Objection to the processing (Art. 21(1))"),
                        ],
                        max_length=10,
                        verbose_name="legal ground",
                    ),
                ),
                (
                    "case_number",
                    models.CharField(
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?=.*[0-9])(?=[^\\W_])[^\\W\\d_]{0,5}[0-9]*[^\\W\\d_]{0,2}([ ./:_-]{1,2}(?=[^\\W_])[^\\W\\d_]{0,5}[0-9]*[^\\W\\d_]{0,2})*\\Z",
                                "Enter a number of a case, not words.",
                            )
                        ],
                        verbose_name="case number",
                    ),
                ),
                (
                    "set_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="set at"),
                ),
                (
                    "review_on",
                    models.DateField(
                        validators=[anonymization.models.validate_review], verbose_name="review on"
                    ),
                ),
                (
                    "reviewed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last reviewed at"),
                ),
                (
                    "released_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="released at"),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="released by",
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="last reviewed by",
                    ),
                ),
                (
                    "set_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="set by",
                    ),
                ),
            ],
            options={
                "verbose_name": "legal hold",
                "verbose_name_plural": "legal holds",
                "ordering": ("review_on", "pk"),
                "permissions": (("manage_holds", "Can manage legal holds and see held data"),),
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["subject"], name="hold_subject"),
                    models.Index(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=["review_on", "id"],
                        name="hold_active",
                    ),
                ],
            },
        ),
    ]
