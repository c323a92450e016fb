"""The roles of staff as groups, each with permissions of this product."""

from collections.abc import Iterator
from typing import Any

ROLES: dict[str, list[str]] = {
    "administrator": [
        "sessions_app.see_sessions",
        "webchat.manage_settings",
        "webchat.publish_consent",
        "webchat.edit_gdpr_data",
        "api.manage_api_clients",
        "anonymization.see_erasures",
        "anonymization.replay_erasures",
    ],
    "support": [
        "sessions_app.see_sessions",
        "sessions_app.see_personal_data",
        "sessions_app.record_withdrawal",
        "sessions_app.anonymize_session",
        "sessions_app.anonymize_guest",
        "anonymization.see_erasures",
    ],
    "operator": [
        "sessions_app.see_sessions",
        "sessions_app.see_personal_data",
        "sessions_app.record_withdrawal",
        "sessions_app.answer",
    ],
    "officer": [
        "sessions_app.see_sessions",
        "sessions_app.see_personal_data",
        "sessions_app.record_withdrawal",
        "sessions_app.anonymize_session",
        "sessions_app.anonymize_guest",
        "sessions_app.export_sessions",
        "webchat.see_settings",
        "webchat.edit_gdpr_data",
        "api.see_api_clients",
        "anonymization.see_erasures",
        "anonymization.replay_erasures",
        "anonymization.manage_holds",
    ],
}


def create_roles(apps: Any, schema_editor: Any = None) -> None:
    """Create the groups with their permissions. Only the first migration that has them calls this.

    A permission whose model is added by a later migration is skipped. That migration grants only
    the new permission, so that permissions that a company has removed from a group are not
    restored.
    """
    for role, names in ROLES.items():
        grant(apps, role, names)


def grant(apps: Any, role: str, names: list[str]) -> None:
    """Add permissions to a role, if their models exist. Keep the group's other permissions.

    Migrations call this at a time when Django has not created the permissions yet. Django does so
    after all migrations.
    """
    group, _created = apps.get_model("auth", "Group").objects.get_or_create(name=role)
    group.permissions.add(
        *[permission for name in names for permission in _permissions(apps, name)]
    )


def _permissions(apps: Any, name: str) -> Iterator[Any]:
    app_label, codename = name.split(".")
    for model in apps.get_app_config(app_label).get_models():
        titles = dict(model._meta.permissions)
        if codename in titles:
            content_type, _created = apps.get_model(
                "contenttypes", "ContentType"
            ).objects.get_or_create(app_label=app_label, model=model._meta.model_name)
            permission, _created = apps.get_model("auth", "Permission").objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": titles[codename]}
            )
            yield permission
