"""Index the stored names of files, by which the sweep finds those that no row names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0006_replay_right")]

    operations = [
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(fields=["file"], name="attachment_file"),
        ),
    ]
