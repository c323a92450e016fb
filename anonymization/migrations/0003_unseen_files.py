"""Let no file escape an erasure: uploads know whose they are, and the storage can prove to be the right one."""

import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0002_erasure_client")]

    operations = [
        migrations.CreateModel(
            name="StorageMarker",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "uid",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, verbose_name="random identifier"
                    ),
                ),
            ],
            options={
                "verbose_name": "marker of the storage",
                "verbose_name_plural": "marker of the storage",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="filedeletion",
            name="subject",
            field=models.UUIDField(null=True, verbose_name="subject"),
        ),
    ]
