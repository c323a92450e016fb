"""Call the counters numbers: "messages of the visitor" among what stays read as if the messages did. Changes no table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0004_api_client_right")]

    operations = [
        migrations.AlterField(
            model_name="session",
            name="attachments_count",
            field=models.PositiveIntegerField(default=0, verbose_name="number of files"),
        ),
        migrations.AlterField(
            model_name="session",
            name="messages_operator",
            field=models.PositiveIntegerField(
                default=0, verbose_name="number of messages of the operator"
            ),
        ),
        migrations.AlterField(
            model_name="session",
            name="messages_visitor",
            field=models.PositiveIntegerField(
                default=0, verbose_name="number of messages of the visitor"
            ),
        ),
    ]
