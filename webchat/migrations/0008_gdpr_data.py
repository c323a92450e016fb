"""Store the GDPR data of the company, the slots of consent texts, and the second legal basis."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webchat", "0007_not_open_yet"),
    ]

    operations = [
        migrations.CreateModel(
            name="DataController",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(blank=True, max_length=200, verbose_name="data controller"),
                ),
                (
                    "address",
                    models.CharField(
                        blank=True, max_length=300, verbose_name="address of the data controller"
                    ),
                ),
                (
                    "contact",
                    models.CharField(
                        blank=True,
                        help_text="An e-mail address or a web page for requests about personal data.",
                        max_length=200,
                        verbose_name="contact for data protection",
                    ),
                ),
                (
                    "officer",
                    models.CharField(
                        blank=True,
                        help_text="Name or function, and contact. Leave empty if you have none.",
                        max_length=300,
                        verbose_name="data protection officer",
                    ),
                ),
                (
                    "recipients",
                    models.CharField(
                        blank=True,
                        help_text="Processors by name, for example for hosting and mail. Outside the EEA, also the country and the safeguard (GDPR Art. 13(1)(f)).",
                        max_length=1000,
                        verbose_name="recipients",
                    ),
                ),
                (
                    "storage_location",
                    models.CharField(
                        blank=True,
                        help_text="Where the data is stored, for example Czechia (EU).",
                        max_length=300,
                        verbose_name="storage location",
                    ),
                ),
                (
                    "authority",
                    models.CharField(
                        blank=True,
                        help_text="The authority that receives complaints about you.",
                        max_length=300,
                        verbose_name="supervisory authority",
                    ),
                ),
                (
                    "agreement_contact",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        verbose_name="contact for the data processing agreement",
                    ),
                ),
                (
                    "agreement_with",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        verbose_name="other party of the data processing agreement",
                    ),
                ),
                (
                    "agreement_signed_on",
                    models.DateField(
                        blank=True, null=True, verbose_name="data processing agreement signed on"
                    ),
                ),
            ],
            options={
                "verbose_name": "GDPR data of the company",
                "verbose_name_plural": "GDPR data of the company",
                "permissions": (("edit_gdpr_data", "Can edit the GDPR data of the company"),),
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="consenttext",
            name="written_body",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="consent text as written"
            ),
        ),
        migrations.AddField(
            model_name="consenttext",
            name="written_label",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=300,
                verbose_name="checkbox label as written",
            ),
        ),
        migrations.AddField(
            model_name="consentversion",
            name="filled_from",
            field=models.JSONField(editable=False, null=True, verbose_name="filled from"),
        ),
        migrations.AddField(
            model_name="webchat",
            name="second_basis",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "None: everything is erased"),
                    ("b", "Contract (Art. 6(1)(b))"),
                    ("c", "Legal obligation (Art. 6(1)(c))"),
                    ("f", "Legal claims, a legitimate interest (Art. 6(1)(f))"),
                ],
                db_default="",
                default="",
                max_length=1,
                verbose_name="legal basis of what must be kept",
            ),
        ),
    ]
