"""Know when retention was last run, to tell a wrong clock by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0008_retention_index")]

    operations = [
        migrations.CreateModel(
            "RetentionRun",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("began_at", models.DateTimeField(verbose_name="began at")),
            ],
            {
                "verbose_name": "last run of retention",
                "verbose_name_plural": "last run of retention",
                "default_permissions": (),
            },
        ),
    ]
