"""Mark anchors of evidence whose key was lost."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0032_limit_counter"),
    ]

    operations = [
        migrations.AddField(
            model_name="evidenceanchor",
            name="key_lost",
            field=models.BooleanField(default=False, verbose_name="key lost"),
        ),
    ]
