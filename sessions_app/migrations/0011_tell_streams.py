"""Let changes of open conversations wake the streams that show them. Messages and files count on their session."""

from django.db import migrations

from sessions_app.telling import tell_streams


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0010_withdrawal")]

    operations = [
        tell_streams(
            "sessions_app_session",
            "id",
            when="NEW.status <> 'closed'",
            on_update="OLD.status <> 'closed'",
        )
    ]
