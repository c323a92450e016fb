"""Record changes of settings, and let staff members see settings without changing them."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webchat", "0004_plain_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="webchat",
            options={
                "default_permissions": (),
                "ordering": ("name", "pk"),
                "permissions": (
                    ("see_settings", "Can see settings"),
                    ("manage_settings", "Can manage settings"),
                    ("publish_consent", "Can publish consent texts"),
                ),
                "verbose_name": "WebChat",
                "verbose_name_plural": "WebChats",
            },
        ),
        migrations.CreateModel(
            name="SettingChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "uid",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        unique=True,
                        verbose_name="random identifier",
                    ),
                ),
                ("field", models.CharField(max_length=50, verbose_name="setting")),
                ("before", models.JSONField(null=True, verbose_name="value before")),
                ("after", models.JSONField(null=True, verbose_name="value after")),
                (
                    "changed_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="changed at"
                    ),
                ),
                (
                    "changed_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                (
                    "webchat",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="setting_changes",
                        to="webchat.webchat",
                        verbose_name="WebChat",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a setting",
                "verbose_name_plural": "changes of settings",
                "ordering": ("-pk",),
                "default_permissions": (),
                "indexes": [models.Index(fields=["webchat", "-id"], name="setting_change_newest")],
            },
        ),
    ]
