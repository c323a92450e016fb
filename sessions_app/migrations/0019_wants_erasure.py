"""Store the wish for erasure of all data, and the way of a withdrawal."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0018_abandonment"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="session",
            options={
                "default_permissions": (),
                "ordering": ("-created_at", "-pk"),
                "permissions": (
                    ("see_sessions", "Can see sessions"),
                    ("see_personal_data", "Can see personal data"),
                    ("answer", "Can answer visitors"),
                    ("record_withdrawal", "Can record a withdrawal of consent"),
                    ("anonymize_session", "Can anonymize a session"),
                    ("export_sessions", "Can export sessions"),
                ),
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
            },
        ),
        migrations.AddField(
            model_name="consentevent",
            name="via",
            field=models.CharField(
                blank=True,
                choices=[
                    ("link", "by the person's link"),
                    ("conversation", "in the conversation, recorded by staff"),
                ],
                db_default="",
                max_length=12,
                verbose_name="way of the withdrawal",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="wants_erasure",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                verbose_name="wants all data deleted",
            ),
        ),
    ]
