"""Let administrators and officers replay erasures after a restored backup."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_replay(apps, schema_editor):
    for role in ("administrator", "officer"):
        grant(apps, role, ["anonymization.replay_erasures"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0005_name_counters"), ("anonymization", "0005_replay")]

    operations = [migrations.RunPython(let_them_replay, migrations.RunPython.noop)]
