"""Let erasures be replayed after a restored backup: a right of its own, and a door."""

from django.db import migrations, models

DOORS = [
    ("page", "Staff page"),
    ("admin", "Administration site"),
    ("command", "Command"),
    ("api", "REST API"),
    ("retention", "Retention period"),
    ("withdrawal", "Withdrawal of consent"),
    ("replay", "Replay after a restored backup"),
]


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0004_chain")]

    operations = [
        migrations.AlterModelOptions(
            "erasure",
            {
                "default_permissions": (),
                "ordering": ("-number",),
                "permissions": (
                    ("see_erasures", "Can see the record of erasures"),
                    ("replay_erasures", "Can replay erasures after a restored backup"),
                ),
                "verbose_name": "erasure",
                "verbose_name_plural": "erasures",
            },
        ),
        migrations.AlterField(
            "erasure", "door", models.CharField(choices=DOORS, max_length=20, verbose_name="door")
        ),
    ]
