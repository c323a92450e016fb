"""Declare the models of packages: accounts and logins of staff. None is about a visitor."""

from django.utils.translation import gettext_noop as _

from anonymization import policy

_STAFF = _("Staff account; ends with the employment, not at a visitor's request.")
_RIGHTS = _("Staff permissions; identifies nobody.")

_STAFF_MODELS = {
    "auth.User": (
        "id", "password", "last_login", "is_superuser", "username", "first_name", "last_name", "email", "is_staff",
        "is_active", "date_joined",
    ),
    "mluvii_gdpr.Profile": ("id", "user", "language"),
    "account.EmailAddress": ("id", "user", "email", "verified", "primary"),
    "account.EmailConfirmation": ("id", "email_address", "created", "sent", "key"),
    "mfa.Authenticator": ("id", "user", "type", "data", "created_at", "last_used_at"),
    "admin.LogEntry": (
        "id", "action_time", "user", "content_type", "object_id", "object_repr", "action_flag", "change_message",
    ),
    "sessions.Session": ("session_key", "session_data", "expire_date"),
}  # fmt: skip

_RIGHTS_MODELS = {
    "auth.Group": ("id", "name"),
    "auth.Permission": ("id", "name", "content_type", "codename"),
    "auth.User_groups": ("id", "user", "group"),
    "auth.User_user_permissions": ("id", "user", "permission"),
    "auth.Group_permissions": ("id", "group", "permission"),
    "contenttypes.ContentType": ("id", "app_label", "model"),
}

policy.register(
    "mluvii_gdpr.EventsProcess",
    impersonal=dict.fromkeys(
        ("id", "host", "seen_at", "alive_since"),
        _("Name of a server and its last sign of life; names nobody."),
    ),
)
for label, fields in _STAFF_MODELS.items():
    policy.register(label, keep=dict.fromkeys(fields, _STAFF))
for label, fields in _RIGHTS_MODELS.items():
    policy.register(label, impersonal=dict.fromkeys(fields, _RIGHTS))
