"""Let officers manage legal holds."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_manage(apps, schema_editor):
    grant(apps, "officer", ["anonymization.manage_holds"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0021_random_guest_ids"), ("anonymization", "0016_hold")]

    operations = [migrations.RunPython(let_them_manage, migrations.RunPython.noop)]
