"""Remember that the ledger has an external copy, if its records say that one was created."""

from datetime import UTC, datetime, time

from django.db import migrations


def remember_copy(apps, schema_editor):
    begun = apps.get_model("anonymization", "Erasure").objects.filter(kind="copy_begun")
    newest = begun.order_by("-number").first()
    if newest is not None:
        at = newest.created_at or datetime.combine(newest.day, time(), UTC)
        apps.get_model("anonymization", "LedgerState").objects.create(pk=1, copy_begun_at=at)


class Migration(migrations.Migration):
    dependencies = [("anonymization", "0012_ledger_state")]

    operations = [migrations.RunPython(remember_copy, migrations.RunPython.noop)]
