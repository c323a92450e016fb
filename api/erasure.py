"""Declare the models of this app and of its OAuth package. None of them is about a visitor."""

from django.utils.translation import gettext_noop as _

from anonymization import policy
from api.models import ApiClient, IdempotencyKey, LimitReached

_STAFF = _("Accountability (GDPR Art. 5(2)): the staff member who did this.")
_PROGRAM = _("Names a program, not a person.")
_UNUSED = _("Not used: programs log in with client credentials only.")

policy.register(
    ApiClient,
    keep={"created_by": _STAFF, "revoked_by": _STAFF},
    impersonal={
        **dict.fromkeys(
            ("id", "client_id", "client_secret", "name", "rights", "created", "updated", "last_used_at", "revoked_at"),
            _PROGRAM,
        ),
        **dict.fromkeys(
            (
                "user", "redirect_uris", "post_logout_redirect_uris", "client_type", "authorization_grant_type",
                "hash_client_secret", "skip_authorization", "algorithm", "allowed_origins", "registration_source",
                "cimd_expires_at",
            ),
            _UNUSED,
        ),
    },
)  # fmt: skip

policy.register(
    LimitReached,
    keep={"seen_by": _STAFF},
    impersonal=dict.fromkeys(
        ("id", "client", "first_at", "last_at", "refused", "seen_at"), _PROGRAM
    ),
)

policy.register(
    IdempotencyKey,
    expires=("created_at", IdempotencyKey.KEPT_FOR),
    impersonal=dict.fromkeys(
        ("id", "client", "digest", "request", "created_at"),
        _(
            "Keyed hash of the value a program uses to tell its requests apart; deleted after a day."
        ),
    ),
)

policy.register(
    "oauth2_provider.AccessToken",
    impersonal=dict.fromkeys(
        (
            "id", "user", "source_refresh_token", "token", "token_checksum", "id_token", "application", "expires",
            "scope", "resource", "created", "updated",
        ),
        _("Hash of a program's token; expires after an hour."),
    ),
)  # fmt: skip

_UNUSED_MODELS = {
    "oauth2_provider.RefreshToken": (
        "id", "user", "token", "token_checksum", "application", "access_token", "token_family", "created", "updated",
        "revoked", "resource",
    ),
    "oauth2_provider.IDToken": (
        "id", "user", "jti", "application", "expires", "scope", "created", "updated",
    ),
    "oauth2_provider.Grant": (
        "id", "user", "code", "application", "expires", "redirect_uri", "scope", "created", "updated",
        "code_challenge", "code_challenge_method", "nonce", "claims", "resource",
    ),
    "oauth2_provider.DeviceGrant": (
        "id", "user", "device_code", "user_code", "scope", "interval", "expires", "status", "client_id",
        "last_checked",
    ),
}  # fmt: skip
for label, fields in _UNUSED_MODELS.items():
    policy.register(label, impersonal=dict.fromkeys(fields, _UNUSED))
