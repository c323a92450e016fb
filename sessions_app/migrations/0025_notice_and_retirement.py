"""Store that a visitor was informed by a privacy notice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0024_edit_gdpr_data"),
    ]

    operations = [
        migrations.AlterField(
            model_name="consentevent",
            name="kind",
            field=models.CharField(
                choices=[("given", "Given"), ("withdrawn", "Withdrawn"), ("informed", "Informed")],
                max_length=10,
                verbose_name="kind",
            ),
        ),
    ]
