"""What becomes of a session when the person withdraws their consent, for each WebChat."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webchat", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="webchat",
            name="on_withdrawal",
            field=models.CharField(
                choices=[
                    ("review", "Put the session before the data protection officer"),
                    ("anonymize", "Anonymize the session at once"),
                ],
                db_default="review",
                default="review",
                max_length=10,
                verbose_name="on withdrawal of consent",
            ),
        ),
    ]
