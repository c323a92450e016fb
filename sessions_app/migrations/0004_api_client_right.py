"""Give the administrators the right to manage API clients."""

from django.db import migrations

from sessions_app.roles import create_roles


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0003_fillfactor"), ("api", "0001_initial")]

    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
