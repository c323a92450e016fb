"""Close new WebChats until a form is chosen, and store the confirmation of the form None."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webchat", "0006_abandonment"),
    ]

    operations = [
        migrations.AddField(
            model_name="webchat",
            name="none_confirmed_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="form “None” confirmed at"
            ),
        ),
        migrations.AlterField(
            model_name="webchat",
            name="entry_form",
            field=models.CharField(
                choices=[
                    ("not_chosen", "Not chosen"),
                    ("none", "None"),
                    ("standard", "Standard"),
                    ("gdpr", "GDPR"),
                ],
                default="not_chosen",
                max_length=10,
                verbose_name="entry form",
            ),
        ),
        migrations.AlterField(
            model_name="webchat",
            name="showroom_form",
            field=models.CharField(
                choices=[
                    ("not_chosen", "Not chosen"),
                    ("none", "None"),
                    ("standard", "Standard"),
                    ("gdpr", "GDPR"),
                ],
                default="not_chosen",
                max_length=10,
                verbose_name="showroom entry form",
            ),
        ),
    ]
