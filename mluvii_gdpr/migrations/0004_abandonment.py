"""Store since when the signs of life of the event streams have had no gap."""

import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mluvii_gdpr", "0003_plain_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="eventsprocess",
            name="alive_since",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                default=django.utils.timezone.now,
                verbose_name="signs of life since",
            ),
        ),
    ]
