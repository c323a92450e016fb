"""Let administrators and data protection officers edit the GDPR data of the company."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_edit(apps, schema_editor):
    for role in ("administrator", "officer"):
        grant(apps, role, ["webchat.edit_gdpr_data"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0023_see_api_clients"), ("webchat", "0008_gdpr_data")]

    operations = [migrations.RunPython(let_them_edit, migrations.RunPython.noop)]
