"""Give the administrators the right to manage API clients, and no role anything that a company took from it."""

from django.db import migrations

from sessions_app.roles import grant


def let_administrators_manage(apps, schema_editor):
    grant(apps, "administrator", ["api.manage_api_clients"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0003_fillfactor"), ("api", "0001_initial")]

    operations = [migrations.RunPython(let_administrators_manage, migrations.RunPython.noop)]
