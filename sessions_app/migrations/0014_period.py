"""Add the mark of anonymization as a period, and let it clear the random identifier."""

import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0013_plain_words"),
        ("webchat", "0004_plain_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="guest",
            name="anonymized_in",
            field=models.DateField(blank=True, null=True, verbose_name="anonymized in"),
        ),
        migrations.AddField(
            model_name="session",
            name="anonymized_in",
            field=models.DateField(blank=True, null=True, verbose_name="anonymized in"),
        ),
        migrations.AlterField(
            model_name="guest",
            name="uid",
            field=models.UUIDField(
                default=uuid.uuid4,
                editable=False,
                null=True,
                unique=True,
                verbose_name="random identifier",
            ),
        ),
        migrations.AlterField(
            model_name="session",
            name="uid",
            field=models.UUIDField(
                default=uuid.uuid4,
                editable=False,
                null=True,
                unique=True,
                verbose_name="random identifier",
            ),
        ),
    ]
