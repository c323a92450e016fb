"""Let officers manage legal holds."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_manage(apps, schema_editor):
    grant(apps, "officer", ["anonymization.manage_holds"])


class Migration(migrations.Migration):
<<<<<<<< HEAD:sessions_app/migrations/0022_hold_right.py
    dependencies = [("sessions_app", "0021_random_guest_ids"), ("anonymization", "0016_hold")]
========
    dependencies = [("sessions_app", "0017_random_guest_ids"), ("anonymization", "0015_hold")]
>>>>>>>> hold:sessions_app/migrations/0018_hold_right.py

    operations = [migrations.RunPython(let_them_manage, migrations.RunPython.noop)]
