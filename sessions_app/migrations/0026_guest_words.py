"""Add the words of guests' names, by which a surname or its beginning finds."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0025_notice_and_retirement"),
    ]

    operations = [
        # The words replace it. The entry form finds a guest by e-mail or phone.
        migrations.RemoveIndex(model_name="guest", name="guest_name_key"),
        migrations.CreateModel(
            name="GuestWord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("word", models.CharField(max_length=60, verbose_name="word as compared")),
                (
                    "guest",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="words",
                        to="sessions_app.guest",
                        verbose_name="guest",
                    ),
                ),
            ],
            options={
                "verbose_name": "word of a name",
                "verbose_name_plural": "words of names",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["word", "guest"],
                        name="guestword_word",
                        opclasses=("varchar_pattern_ops", "int8_ops"),
                    ),
                    models.Index(
                        fields=["guest", "word"],
                        name="guestword_guest",
                        opclasses=("int8_ops", "varchar_pattern_ops"),
                    ),
                ],
            },
        ),
    ]
