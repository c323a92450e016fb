"""Let operators, support and data protection officers record a withdrawal of consent."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_record(apps, schema_editor):
    for role in ("operator", "support", "officer"):
        grant(apps, role, ["sessions_app.record_withdrawal"])


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0019_wants_erasure")]

    operations = [migrations.RunPython(let_them_record, migrations.RunPython.noop)]
