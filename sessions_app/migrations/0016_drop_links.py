"""Drop the columns that linked anonymized rows to each other."""

import django.db.models.functions.comparison
from django.db import migrations, models


def drop_old_triggers(apps, schema_editor):
    """Drop the triggers that name the dropped columns. ``migrate`` creates the new ones at its end."""
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT p.oid::regprocedure::text FROM pg_trigger t "
                "JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid "
                "JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = current_schema() AND starts_with(t.tgname, 'mluvii_gdpr_') "
                "AND (starts_with(c.relname, 'sessions_app_') OR starts_with(c.relname, 'anonymization_'))"
            )
            for (function,) in cursor.fetchall():
                cursor.execute(f"DROP FUNCTION {function} CASCADE")


class Migration(migrations.Migration):
    #: See anonymization/backup_notice.py.
    needs_backup = True
    dependencies = [
        ("sessions_app", "0015_unlink_rows"),
        ("anonymization", "0010_drop_links"),
    ]

    operations = [
        migrations.RunPython(drop_old_triggers, migrations.RunPython.noop),
        migrations.RemoveIndex(
            model_name="session",
            name="session_anonymized",
        ),
        migrations.RemoveIndex(
            model_name="session",
            name="session_retention",
        ),
        migrations.RemoveField(
            model_name="guest",
            name="anonymized_at",
        ),
        migrations.RemoveField(
            model_name="guest",
            name="erasure",
        ),
        migrations.RemoveField(
            model_name="session",
            name="anonymized_at",
        ),
        migrations.RemoveField(
            model_name="session",
            name="erasure",
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("anonymized_in__isnull", False)),
                fields=["-created_at", "-id"],
                name="session_anonymized",
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                models.F("webchat"),
                django.db.models.functions.comparison.Coalesce("ended_at", "created_at"),
                models.F("id"),
                condition=models.Q(("anonymized_in__isnull", True), ("status", "closed")),
                name="session_retention",
            ),
        ),
    ]
