"""Let data protection officers see the API clients."""

from django.db import migrations

from sessions_app.roles import grant


def let_them_see(apps, schema_editor):
    grant(apps, "officer", ["api.see_api_clients"])


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0022_hold_right"),
        ("api", "0003_see_api_clients"),
    ]

    operations = [migrations.RunPython(let_them_see, migrations.RunPython.noop)]
