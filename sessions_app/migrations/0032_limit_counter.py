"""Add the counters of limits. On PostgreSQL the table is unlogged.

The counters are then not in the write-ahead log. A crash empties the table, which begins each window
anew.
"""

from django.db import migrations, models


def set_unlogged(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE sessions_app_limitcounter SET UNLOGGED")


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0031_record_receipt_terms"),
    ]

    operations = [
        migrations.CreateModel(
            name="LimitCounter",
            fields=[
                (
                    "key",
                    models.CharField(
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        verbose_name="keyed hash",
                    ),
                ),
                ("count", models.PositiveBigIntegerField(verbose_name="times counted")),
                (
                    "ends_at",
                    models.DateTimeField(db_index=True, verbose_name="end of the window"),
                ),
            ],
            options={
                "verbose_name": "counter of a limit",
                "verbose_name_plural": "counters of limits",
                "default_permissions": (),
            },
        ),
        migrations.RunPython(set_unlogged, migrations.RunPython.noop),
    ]
