"""An index for the sessions that the retention period of a WebChat has reached."""

from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0007_index_stored_names")]

    operations = [
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                models.F("webchat"),
                Coalesce("ended_at", "created_at"),
                models.F("id"),
                condition=models.Q(("anonymized_at__isnull", True), ("status", "closed")),
                name="session_retention",
            ),
        ),
    ]
