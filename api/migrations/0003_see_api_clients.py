"""Let staff members see API clients without managing them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0002_plain_words"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apiclient",
            options={
                "default_permissions": (),
                "ordering": ("pk",),
                "permissions": (
                    ("see_api_clients", "Can see API clients"),
                    ("manage_api_clients", "Can manage API clients"),
                ),
                "verbose_name": "API client",
                "verbose_name_plural": "API clients",
            },
        ),
    ]
