"""Let each WebChat choose when an abandoned conversation is ended."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webchat", "0005_setting_change"),
    ]

    operations = [
        migrations.AddField(
            model_name="webchat",
            name="abandon_minutes",
            field=models.PositiveSmallIntegerField(
                db_default=30,
                default=30,
                validators=[
                    django.core.validators.MinValueValidator(5),
                    django.core.validators.MaxValueValidator(1440),
                ],
                verbose_name="end abandoned conversations after (minutes)",
            ),
        ),
    ]
