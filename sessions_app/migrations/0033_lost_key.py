"""Mark anchors of evidence whose key was lost."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        # 0028 to 0032 were applied by installations that do not have 0026 and 0027 yet.
        ("sessions_app", "0027_renew_keys"),
        ("sessions_app", "0032_limit_counter"),
    ]

    operations = [
        migrations.AddField(
            model_name="evidenceanchor",
            name="key_lost",
            field=models.BooleanField(default=False, verbose_name="key lost"),
        ),
    ]
