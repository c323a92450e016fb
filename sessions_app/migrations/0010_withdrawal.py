"""The page "my consent" behind a secret of its own, and the withdrawal of consent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0009_retention_run")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="consent_key",
            field=models.CharField(
                editable=False,
                max_length=64,
                null=True,
                unique=True,
                verbose_name="digest of the secret of my consent",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="withdrawn_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="consent withdrawn at"),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("withdrawn_at__isnull", False)),
                fields=["withdrawn_at", "id"],
                name="session_withdrawn",
            ),
        ),
        migrations.AddIndex(
            model_name="consentevent",
            index=models.Index(
                condition=models.Q(("kind", "withdrawn")),
                fields=["session"],
                name="consent_event_withdrawn",
            ),
        ),
    ]
