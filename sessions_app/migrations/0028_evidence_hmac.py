"""Give each consent event an HMAC. Events of earlier releases have none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0027_renew_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="consentevent",
            name="hmac",
            field=models.CharField(
                blank=True, db_default="", editable=False, max_length=64, verbose_name="HMAC"
            ),
        ),
    ]
