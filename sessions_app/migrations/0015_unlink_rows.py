"""Take the links to each other out of the anonymized rows. This can't be undone.

The mark becomes the first day of its period, and the reference to the record and the random
identifier are cleared. A backup made before this migration still has them: see
docs/operate/upgrade.md.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import migrations


def start_of(text):
    """Return the local start of the period of a UTC time as SQLite stores it."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    local = local.astimezone(ZoneInfo(settings.TIME_ZONE)).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    if settings.ERASURE_TIME_PRECISION == "week":
        return local - timedelta(days=local.weekday())
    return local.replace(day=1) if settings.ERASURE_TIME_PRECISION == "month" else local


def first_day(text):
    return start_of(text).date().isoformat()


def first_moment(text):
    return start_of(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def unlink(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        precision, zone = f"'{settings.ERASURE_TIME_PRECISION}'", f"'{settings.TIME_ZONE}'"
        mark = f"date_trunc({precision}, anonymized_at, {zone}) AT TIME ZONE {zone}"
        period, created = f"({mark})::date", f"date_trunc({precision}, created_at, {zone})"
    else:
        raw = schema_editor.connection.connection
        raw.create_function("mluvii_gdpr_first_day", 1, first_day)
        raw.create_function("mluvii_gdpr_first_moment", 1, first_moment)
        period = "mluvii_gdpr_first_day(anonymized_at)"
        created = "mluvii_gdpr_first_moment(created_at)"
    for table, more in (
        ("sessions_app_session", ""),
        ("sessions_app_guest", f", created_at = {created}"),
    ):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        schema_editor.execute(
            f"UPDATE {table} SET anonymized_in = {period}, uid = NULL, erasure_id = NULL{more} "  # noqa: S608
            "WHERE anonymized_at IS NOT NULL"
        )
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            schema_editor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


class Migration(migrations.Migration):
    #: See anonymization/backup_notice.py.
    needs_backup = True
    dependencies = [
        ("sessions_app", "0014_period"),
        ("anonymization", "0009_unlink_records"),
    ]

    operations = [migrations.RunPython(unlink)]
