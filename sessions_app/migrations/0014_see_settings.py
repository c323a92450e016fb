"""Let administrators and officers read the settings."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_read(apps, schema_editor):
    for role in ("administrator", "officer"):
        grant(apps, role, ["webchat.see_settings"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0013_plain_words"), ("webchat", "0005_not_open_yet")]

    operations = [migrations.RunPython(let_them_read, migrations.RunPython.noop)]
