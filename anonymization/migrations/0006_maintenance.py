"""Know when the bytes of what was erased were given back, and when the last stored file of an erasure was gone."""

from django.db import migrations, models
from django.db.models.deletion import PROTECT


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0005_replay")]

    operations = [
        migrations.CreateModel(
            "FilesDeleted",
            [
                (
                    "erasure",
                    models.OneToOneField(
                        on_delete=PROTECT,
                        primary_key=True,
                        related_name="files_deleted",
                        serialize=False,
                        to="anonymization.erasure",
                        verbose_name="erasure",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="deleted at")),
            ],
            {
                "verbose_name": "end of file deletions",
                "verbose_name_plural": "ends of file deletions",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            "Maintenance",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
                ("rewritten", models.BooleanField(verbose_name="rewritten")),
            ],
            {
                "verbose_name": "maintenance run",
                "verbose_name_plural": "maintenance runs",
                "default_permissions": (),
            },
        ),
    ]
