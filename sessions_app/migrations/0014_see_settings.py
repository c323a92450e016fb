"""Let data protection officers see all settings."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_see(apps, schema_editor):
    grant(apps, "officer", ["webchat.see_settings"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0013_plain_words"), ("webchat", "0005_setting_change")]

    operations = [migrations.RunPython(let_them_see, migrations.RunPython.noop)]
