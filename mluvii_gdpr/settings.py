"""All settings, read from the environment (see docs/configuration.md).

A checkout runs without any variable: SQLite in ``var/``, DEBUG on. With ``DEBUG=off`` whatever would be
unsafe when missing stops the start with a sentence that says what to set.
"""

import datetime as dt
import re
from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from mluvii_gdpr.logs import FORMAT

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VAR_DIR.mkdir(exist_ok=True)

env = environ.Env()

DEBUG = env.bool("DEBUG", default=True)


def required(name: str, advice: str) -> str:
    """Return a variable's value; without it refuse to start unless DEBUG is on."""
    value = env.str(name, default="")
    if not value and not DEBUG:
        raise ImproperlyConfigured(f"DEBUG is off, so {name} must be set: {advice}")
    return value


def at_least(name: str, minimum: int, default: int) -> int:
    """Return a whole number; refuse to start with anything else or less than the minimum."""
    try:
        value = env.int(name, default=default)
    except ValueError:
        value = minimum - 1
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be a whole number, {minimum} or more.")
    return value


def day(name: str) -> dt.date | None:
    """Return a date such as 2026-03-01, or None when the variable is empty or not set."""
    text = env.str(name, default="")
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date() if text else None
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a date such as 2026-03-01, or empty.") from None


def folder(name: str) -> Path | None:
    """Return a folder that exists, or None when the variable is empty or not set."""
    text = env.str(name, default="")
    if text and not Path(text).is_dir():
        raise ImproperlyConfigured(f"{name} must be a folder that exists, or empty.")
    return Path(text) if text else None


SECRET_KEY = (
    required("SECRET_KEY", "at least 50 random characters, kept secret and the same over restarts.")
    or "insecure-development-key"
)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
required("ALLOWED_HOSTS", "the host names this installation answers to, separated by commas.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if not DEBUG and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name hosts: '*' would accept a forged Host header.")
if not DEBUG and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY is too short: set at least 50 random characters.")

# Applications -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "mluvii_gdpr.apps.ProjectConfig",
    "sessions_app",
    "webchat",
    # Before the app that takes its pages out of the administration site.
    "oauth2_provider",
    "api",
    "anonymization",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_filters",
    "django_htmx",
    "django_prose_editor",
    "django_tables2",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "mluvii_gdpr.middleware.Devices",
    "mluvii_gdpr.middleware.BodyLimits",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "mluvii_gdpr.middleware.StaffLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mluvii_gdpr.middleware.MethodPages",
    "mluvii_gdpr.middleware.DatabaseAway",
    "mluvii_gdpr.middleware.RestoredDatabase",
]

ROOT_URLCONF = "mluvii_gdpr.urls"
WSGI_APPLICATION = "mluvii_gdpr.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
            "builtins": ["django.templatetags.i18n", "mluvii_gdpr.templatetags.look"],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

# Database -----------------------------------------------------------------------------------------------

DATABASES = {
    "default": env.db_url_config(env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["CONN_MAX_AGE"] = None
    _database["OPTIONS"] = {
        # Deferred transactions refuse a read-then-write at once when another writer is busy, whatever the timeout.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Erased bytes are overwritten, and INSERT OR REPLACE fires the triggers that guard append-only rows.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["ENGINE"] = "mluvii_gdpr.postgresql"
    # A connection that the pool hands out is alive: a restart of the server fails no request.
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        # A connection attempt, and data that a lost host never confirms, end after so many seconds and milliseconds.
        "connect_timeout": 3,
        "tcp_user_timeout": 10_000,
        "answer_within": at_least("DATABASE_ANSWER_WITHIN", 0, default=0),
        **_database.get("OPTIONS", {}),
        # PostgreSQL's log then shows $1 instead of a visitor's values when a statement fails.
        "server_side_binding": True,
        "pool": {
            "min_size": 1,
            "max_size": at_least("DATABASE_POOL", 1, default=8),
            "timeout": at_least("DATABASE_TIMEOUT", 1, default=20),
            # The pool would pause longer and longer between attempts. Without it each request that needs a connection
            # lets it try, as often as the breaker in mluvii_gdpr/postgresql allows.
            "reconnect_timeout": 0,
        },
    }
else:
    raise ImproperlyConfigured("DATABASE_URL must name PostgreSQL (postgres://…) or SQLite (sqlite:///…).")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Log-in of staff ----------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "mluvii_gdpr.accounts.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [*global_settings.PASSWORD_HASHERS, "api.hashers.SecretHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "mluvii_gdpr.accounts.StaffAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "mluvii GDPR"

# The throttling of log-ins counts in the cache: one for all processes of this machine.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if DEBUG
    else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": VAR_DIR / "cache"}
}

# REST API -----------------------------------------------------------------------------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "api.ApiClient"
OAUTH2_PROVIDER = {
    # Client credentials only: no other grant has an endpoint.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "api.oauth.Validator",
    "SCOPES_BACKEND_CLASS": "api.oauth.Scopes",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "CLIENT_SECRET_GENERATOR_LENGTH": 64,
    "CLIENT_SECRET_HASHER": "pbkdf2_sha256_secret",
    # Tokens are stored as digests. The rest belongs to grants that we refuse; check --deploy asks for it (RFC 9700).
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
}
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.rest.refuse",
    "UNAUTHENTICATED_USER": None,
    "NON_FIELD_ERRORS_KEY": "detail",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "mluvii GDPR",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Sessions with their consent version, and anonymization. Compatible with the API of mluvii.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["api.schema.only_the_api"],
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "integer", "minimum": 1}},
    "COMPONENT_SPLIT_REQUEST": True,
}
# How much one API client may erase within an hour, by what it asks for: a stolen secret empties no company.
API_ERASURES_PER_HOUR = {
    "sessions_app.Guest": at_least("API_GUESTS_PER_HOUR", 1, default=100),
    "sessions_app.Session": at_least("API_SESSIONS_PER_HOUR", 1, default=10_000),
}

# HTTPS and headers --------------------------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# How many reverse proxies, each adding one address to X-Forwarded-For, stand before this application.
TRUSTED_PROXIES = at_least("TRUSTED_PROXIES", 0, default=0)
# The throttling of log-ins counts by the same address.
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES

# Event streams --------------------------------------------------------------------------------------------


def at_each_host(address: str) -> list[str]:
    """Return an address with ``{host}`` as one for each of our host names that an address can hold."""
    hosts = [f"*{host}" if host.startswith(".") else host for host in ALLOWED_HOSTS if "[" not in host]
    return [address.replace("{host}", host) for host in hosts] if "{host}" in address else [address]


# Where the streams are: below the pages' own address, or at another one of the same host.
EVENTS_URL = env.str("EVENTS_URL", default="") or "/events/"
_events = re.fullmatch(r"(https?://[^/?#\s]+)?/events/", EVENTS_URL)
if _events is None:
    raise ImproperlyConfigured("EVENTS_URL must be empty, or such as https://chat.example.com:8001/events/")
# The pages' own origins, where EVENTS_URL is another one than theirs.
EVENTS_ORIGINS = [o for given in env.list("EVENTS_ORIGINS", default=[]) for o in at_each_host(given)]
EVENTS_MAX_STREAMS = at_least("EVENTS_MAX_STREAMS", 1, default=5000)

# Calls ---------------------------------------------------------------------------------------------------

# STUN and TURN servers of calls; by default none, so that no third party learns a visitor's address.
ICE_SERVERS = env.list("ICE_SERVERS", default=[])
if not all(
    # Browsers throw at a transport of STUN, which RFC 7064 does not know.
    re.fullmatch(r"stuns?:[^\s/?#]+|turns?:[^\s/?#]+(\?transport=(udp|tcp))?", url)
    for url in ICE_SERVERS
):
    raise ImproperlyConfigured("ICE_SERVERS must be empty, or such as turn:turn.example.com:3478,stun:…")
# What the TURN servers share with us (coturn: static-auth-secret), and how many seconds a credential holds.
TURN_SECRET = env.str("TURN_SECRET", default="")
if bool(TURN_SECRET) != any(url.startswith("turn") for url in ICE_SERVERS):
    raise ImproperlyConfigured("TURN_SECRET must be set exactly when ICE_SERVERS names a TURN server.")
TURN_TTL = at_least("TURN_TTL", 60, default=3600)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF, *(at_each_host(_events[1]) if _events[1] else [])],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

# Languages and time -------------------------------------------------------------------------------------

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("cs", _("Czech")), ("de", _("German")), ("sk", _("Slovak"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="Europe/Prague")
USE_TZ = True

# Files --------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# Small uploads stay in memory, larger ones go to a temporary file that Django deletes at the request's end. Not among
# the system's, where nobody looks for what a killed process left: delete_erased_files clears this folder.
_uploads = VAR_DIR / "uploads"
_uploads.mkdir(mode=0o700, exist_ok=True)
FILE_UPLOAD_TEMP_DIR = env.str("FILE_UPLOAD_TEMP_DIR", default="") or str(_uploads)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Mail ---------------------------------------------------------------------------------------------------

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="dummymail://")
vars().update(EMAIL_CONFIG)
# A visitor waits for it.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="mluvii-gdpr@localhost")

# Logging: ids and routes, never a value that a visitor typed ---------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "route": {"()": "mluvii_gdpr.logs.RouteInsteadOfPath"},
        "few": {"()": "mluvii_gdpr.logs.FewOfAnOutage"},
    },
    "formatters": {"impersonal": {"()": "mluvii_gdpr.logs.ImpersonalFormatter", "format": FORMAT}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "impersonal", "filters": ["route", "few"]},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # Each failed attempt to connect: the breaker in mluvii_gdpr/postgresql logs the outage.
        "psycopg.pool": {"level": "ERROR"},
        "django.server": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        **{
            app: {"handlers": ["console"], "level": "INFO", "propagate": False}
            for app in ("mluvii_gdpr", "anonymization", "webchat", "sessions_app")
        },
    },
}

# The product --------------------------------------------------------------------------------------------

# How long a shown entry form may be sent, in seconds.
TICKET_MAX_AGE = at_least("TICKET_MAX_AGE", 1, default=12 * 3600)
# What remains of a session's start and end after anonymization: day, week or month.
ERASURE_TIME_PRECISION = env.str("ERASURE_TIME_PRECISION", default="month")
if ERASURE_TIME_PRECISION not in {"day", "week", "month"}:
    raise ImproperlyConfigured("ERASURE_TIME_PRECISION must be day, week or month.")
# The outside copy of the ledger of erasures, on another volume than the database; empty: none is kept.
ERASURE_LEDGER_DIR = folder("ERASURE_LEDGER_DIR")
# Files in a conversation: bytes, and the content types that are accepted by the file's extension.
ATTACHMENT_MAX_BYTES = at_least("ATTACHMENT_MAX_BYTES", 1, default=10 * 1024 * 1024)
ATTACHMENT_EXTENSIONS = env.list(
    "ATTACHMENT_EXTENSIONS",
    default=[
        "pdf",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "webp",
        "txt",
        "csv",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "odt",
        "ods",
    ],
)
MESSAGE_MAX_LENGTH = at_least("MESSAGE_MAX_LENGTH", 1, default=4000)
# Who is responsible (GDPR Art. 13(1)(a)): shown to visitors on "my consent" and in its receipt.
CONTROLLER_NAME = env.str("CONTROLLER_NAME", default="")
CONTROLLER_ADDRESS = env.str("CONTROLLER_ADDRESS", default="")
CONTROLLER_CONTACT = env.str("CONTROLLER_CONTACT", default="")
# Shown on Settings > GDPR.
DPA_CONTACT = env.str("DPA_CONTACT", default="")
DPA_SIGNED_ON = day("DPA_SIGNED_ON")
DPA_COUNTERPARTY = env.str("DPA_COUNTERPARTY", default="")
