"""Store the signals by which a call connects, for minutes, and let them wake the streams of their session."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from sessions_app.telling import tell_streams


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0011_tell_streams")]

    operations = [
        migrations.CreateModel(
            name="Signal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="sent at"),
                ),
                (
                    "sender",
                    models.CharField(
                        choices=[
                            ("visitor", "Visitor"),
                            ("operator", "Operator"),
                            ("system", "System"),
                        ],
                        max_length=10,
                        verbose_name="sender",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ready", "Ready"),
                            ("offer", "Offer"),
                            ("answer", "Answer"),
                            ("candidate", "Candidate"),
                            ("bye", "Bye"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("body", models.TextField(verbose_name="content")),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signals",
                        to="sessions_app.session",
                        verbose_name="session",
                    ),
                ),
            ],
            options={
                "verbose_name": "signal of a call",
                "verbose_name_plural": "signals of calls",
                "ordering": ("pk",),
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="signal_at")],
            },
        ),
        tell_streams("sessions_app_signal", "session_id"),
    ]
