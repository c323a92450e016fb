"""Store when a browser last showed the room of an open conversation."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0017_see_settings"),
    ]

    operations = [
        migrations.CreateModel(
            name="LifeSign",
            fields=[
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="life_sign",
                        serialize=False,
                        to="sessions_app.session",
                        verbose_name="session",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="last life sign")),
            ],
            options={
                "verbose_name": "life sign of a room",
                "verbose_name_plural": "life signs of rooms",
                "default_permissions": (),
            },
        ),
    ]
