"""All settings, read from the environment (see docs/configuration.md).

A checkout runs without any variable: SQLite in ``var/``, DEBUG on. With ``DEBUG=off`` the start
fails if a variable is missing without which the installation would be unsafe. It also fails if a
value cannot be right. The message tells what to set.
"""

import os
import re
from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.conf import global_settings
from django.utils.translation import gettext_lazy as _

from mluvii_gdpr import environment, variables
from mluvii_gdpr.environment import WrongEnvironment
from mluvii_gdpr.logs import FORMAT

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT_FILE = environment.load()
VAR_DIR = BASE_DIR / "var"
VAR_DIR.mkdir(mode=0o700, exist_ok=True)

DEBUG = variables.switch("DEBUG", default=True)
if ENVIRONMENT_FILE and DEBUG:
    raise WrongEnvironment(
        f"A production never runs with DEBUG on: write DEBUG=off into {ENVIRONMENT_FILE}."
    )


def required(name: str, advice: str) -> str:
    """Return the value of a variable.

    Raises:
        WrongEnvironment: the variable is missing and DEBUG is off.
    """
    value = variables.text(name)
    if not value and not DEBUG:
        raise WrongEnvironment(f"DEBUG is off, so {name} must be set: {advice}")
    return value


SECRET_KEY = (
    required("SECRET_KEY", "at least 50 random characters, kept secret and the same over restarts.")
    or "insecure-development-key"
)
if not DEBUG and len(SECRET_KEY) < 50:
    raise WrongEnvironment("SECRET_KEY is too short: set at least 50 random characters.")
SECRET_KEY_FALLBACKS = variables.several(
    "SECRET_KEY_FALLBACKS",
    lambda key: len(key) >= (1 if DEBUG else 50),
    "former keys of at least 50 characters",
)
# The key of the HMACs of consent events. Without it, SECRET_KEY is used.
EVIDENCE_KEY = variables.text("EVIDENCE_KEY")
if EVIDENCE_KEY and (len(EVIDENCE_KEY) < 32 or "," in EVIDENCE_KEY):
    raise WrongEnvironment(
        "EVIDENCE_KEY must have at least 32 random characters and no comma, or be empty."
    )
EVIDENCE_KEY_FALLBACKS = variables.several(
    "EVIDENCE_KEY_FALLBACKS", lambda key: len(key) >= 32, "former keys of at least 32 characters"
)
required("ALLOWED_HOSTS", "the host names this installation answers to, separated by commas.")
ALLOWED_HOSTS = variables.several(
    "ALLOWED_HOSTS",
    lambda host: (DEBUG and host == "*") or variables.is_host(host.removeprefix(".")),
    "host names, without scheme, port and path, and not '*', which would accept a forged Host header",
    default="localhost,127.0.0.1,[::1]",
)

# Applications -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "mluvii_gdpr.apps.ProjectConfig",
    "sessions_app",
    "webchat",
    # This app must be before "api", which removes its pages from the Django admin.
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
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "mluvii_gdpr.middleware.RoomyStack",
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
    "mluvii_gdpr.middleware.ClosedInstallation",
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
FORM_RENDERER = "lib.form_renderer.FormRenderer"

# Database -----------------------------------------------------------------------------------------------

# The threads of each process of the web server. Each of them needs a connection of the pool.
WEB_THREADS = variables.number("WEB_THREADS", 4, most=1000)
if ENVIRONMENT_FILE:
    required("DATABASE_URL", f"the database of this production, in {ENVIRONMENT_FILE}.")
DATABASES = {
    "default": variables.database("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["CONN_MAX_AGE"] = None
    _database["OPTIONS"] = {
        # A deferred transaction that reads and then writes fails immediately if there is another
        # writer, regardless of the timeout.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # secure_delete overwrites erased bytes. With recursive_triggers, INSERT OR REPLACE fires
        # the triggers that protect append-only rows.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON;",
    }
else:
    _pool = variables.number("DATABASE_POOL", max(8, WEB_THREADS))
    if _pool < WEB_THREADS:
        raise WrongEnvironment(
            "DATABASE_POOL must be at least WEB_THREADS: each thread needs a connection."
        )
    _database["ENGINE"] = "mluvii_gdpr.postgresql"
    # The pool checks a connection before it returns it, so that no request fails after a restart of
    # the server.
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        # A connection attempt ends after this number of seconds. Data that a lost host does not
        # confirm end the connection after this number of milliseconds.
        "connect_timeout": 3,
        "tcp_user_timeout": 10_000,
        "answer_within": variables.number("DATABASE_ANSWER_WITHIN", 0, least=0),
        **_database.get("OPTIONS", {}),
        # If a statement fails, the log of PostgreSQL then has $1 instead of a visitor's values.
        "server_side_binding": True,
        "pool": {
            "min_size": 1,
            "max_size": _pool,
            "timeout": variables.number("DATABASE_TIMEOUT", 20),
            # By default the pool waits longer after each failed attempt. With 0, each request that
            # needs a connection starts an attempt, as often as the breaker in
            # mluvii_gdpr/postgresql allows.
            "reconnect_timeout": 0,
        },
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Login of staff ----------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "mluvii_gdpr.accounts.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
        "mluvii_gdpr.passwords.GuessableValidator",
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
# An address of which no account is known gets no mail: this form would send mails to anybody.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_FORMS = {"reset_password": "mluvii_gdpr.accounts.ResetForm"}
# Somebody at an unlocked screen must not be able to take over the account by another address.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "mluvii GDPR"

# The login throttling counts in the cache, so all processes of this machine must share one.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if DEBUG
    else {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": VAR_DIR / "cache",
    }
}

# REST API -----------------------------------------------------------------------------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "api.ApiClient"
OAUTH2_PROVIDER = {
    # Client credentials only. No other grant has an endpoint.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "api.oauth.Validator",
    "SCOPES_BACKEND_CLASS": "api.oauth.Scopes",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "CLIENT_SECRET_GENERATOR_LENGTH": 64,
    "CLIENT_SECRET_HASHER": "pbkdf2_sha256_secret",
    # Tokens are stored as hashes. The other options concern grants that are refused; check --deploy
    # requires them (RFC 9700).
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
# The number of erasures that one API client may request within an hour, by model. It limits the
# damage of a stolen secret.
API_ERASURES_PER_HOUR = {
    "sessions_app.Guest": variables.number("API_GUESTS_PER_HOUR", 100),
    "sessions_app.Session": variables.number("API_SESSIONS_PER_HOUR", 10_000),
}

# HTTPS and headers --------------------------------------------------------------------------------------

HTTPS = variables.switch("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# Browsers accept a cookie with this prefix from this host only, and only over HTTPS. A sibling host
# of the domain can therefore not replace it.
_prefix = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_prefix}sessionid", f"{_prefix}csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_ENGINE = "mluvii_gdpr.login_sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = variables.several(
    "CSRF_TRUSTED_ORIGINS",
    lambda origin: variables.is_origin(origin.replace("://*.", "://", 1)),
    "origins such as https://chat.example.com",
)
if variables.switch("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The number of reverse proxies in front of this application. Each adds one address to
# X-Forwarded-For.
TRUSTED_PROXIES = variables.number("TRUSTED_PROXIES", 0, least=0, most=100)
# The login throttling must count by the same address.
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES

# Event streams --------------------------------------------------------------------------------------------


def at_each_host(address: str) -> list[str]:
    """Replace ``{host}`` in an origin by each of our host names that can be part of an origin.

    Without ``{host}``, the list has the given address only.
    """
    hosts = [
        f"*{host}" if host.startswith(".") else host for host in ALLOWED_HOSTS if "[" not in host
    ]
    return [address.replace("{host}", host) for host in hosts] if "{host}" in address else [address]


def is_origin_of_ours(address: str) -> bool:
    """Return whether an address is an origin, for one host or (with ``{host}``) for all of ours."""
    return variables.is_origin(address.replace("{host}", "localhost"))


# The URL of the event streams: below the origin of the pages, or at another origin of the same
# host.
EVENTS_URL = variables.text("EVENTS_URL") or "/events/"
_events = EVENTS_URL.removesuffix("/events/")
if not EVENTS_URL.endswith("/events/") or (_events and not is_origin_of_ours(_events)):
    raise WrongEnvironment(
        "EVENTS_URL must be empty, or such as https://chat.example.com:8001/events/"
    )
# The origins of the pages, if EVENTS_URL has another origin.
EVENTS_ORIGINS = [
    origin
    for given in variables.several(
        "EVENTS_ORIGINS", is_origin_of_ours, "origins such as https://chat.example.com"
    )
    for origin in at_each_host(given)
]
if bool(EVENTS_ORIGINS) != bool(_events):
    raise WrongEnvironment(
        "EVENTS_ORIGINS must be set exactly when EVENTS_URL names another address."
    )
EVENTS_MAX_STREAMS = variables.number("EVENTS_MAX_STREAMS", 5000)

# Calls ---------------------------------------------------------------------------------------------------

# STUN and TURN servers of video calls. There are none by default, so that no third party learns a
# visitor's IP address.
ICE_SERVERS = variables.several(
    "ICE_SERVERS",
    # RFC 7064 defines no transport for STUN, and browsers raise an exception if there is one.
    re.compile(r"stuns?:[^\s/?#]+|turns?:[^\s/?#]+(\?transport=(udp|tcp))?").fullmatch,
    "empty, or such as turn:turn.example.com:3478,stun:stun.example.com",
)
# The secret shared with the TURN servers (coturn: static-auth-secret). TURN_TTL is the validity of
# a credential in seconds.
TURN_SECRET = variables.text("TURN_SECRET")
if bool(TURN_SECRET) != any(url.startswith("turn") for url in ICE_SERVERS):
    raise WrongEnvironment("TURN_SECRET must be set exactly when ICE_SERVERS names a TURN server.")
TURN_TTL = variables.number("TURN_TTL", 3600, least=60)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF, *(at_each_host(_events) if _events else [])],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

# Languages and time -------------------------------------------------------------------------------------

LANGUAGES = [("en", _("English")), ("cs", _("Czech")), ("de", _("German")), ("sk", _("Slovak"))]
LANGUAGE_CODE = variables.one_of("LANGUAGE_CODE", [code for code, _name in LANGUAGES], default="en")
# The second folder replaces messages of installed packages that address the reader informally.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale_packages"]
FORMAT_MODULE_PATH = ["mluvii_gdpr.formats"]
TIME_ZONE = variables.time_zone("TIME_ZONE", default="Europe/Prague")
USE_TZ = True

# Files --------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(mode=0o755, exist_ok=True)
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = variables.path("MEDIA_ROOT", default=VAR_DIR / "media")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "lib.static_files.ProductStaticFilesStorage",
        # Static files are public, and the user of the service must be able to read files that root
        # has collected.
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
# Other users of this machine cannot access any other files and folders, regardless of the umask
# that the process was started with. Django sets a separate mode for stored files.
os.umask(0o077)
FILE_UPLOAD_PERMISSIONS = 0o600
# Small uploads are kept in memory, larger ones in a temporary file that Django deletes at the end
# of the request. The folder is not the system's temporary folder: delete_erased_files deletes the
# files of killed processes here.
_uploads = VAR_DIR / "uploads"
_uploads.mkdir(mode=0o700, exist_ok=True)
FILE_UPLOAD_TEMP_DIR = str(variables.folder("FILE_UPLOAD_TEMP_DIR") or _uploads)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Mail ---------------------------------------------------------------------------------------------------

EMAIL_CONFIG = variables.mail("EMAIL_URL", default="dummymail://")
vars().update(EMAIL_CONFIG)
# A visitor waits while the mail is sent.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = variables.sender("DEFAULT_FROM_EMAIL", default="mluvii-gdpr@localhost")

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
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "impersonal",
            "filters": ["route", "few"],
        },
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # The pool logs each failed attempt to connect as a warning. The breaker in
        # mluvii_gdpr/postgresql logs the outage once.
        "psycopg.pool": {"level": "ERROR"},
        "django.server": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        **{
            app: {"handlers": ["console"], "level": "INFO", "propagate": False}
            for app in ("mluvii_gdpr", "anonymization", "webchat", "sessions_app")
        },
    },
}

# The product --------------------------------------------------------------------------------------------

# The time within which a displayed entry form may be submitted, in seconds.
TICKET_MAX_AGE = variables.number("TICKET_MAX_AGE", 12 * 3600)
# The number of conversations that may begin within a minute, from one address and altogether. 0 means
# that there is no limit.
ENTRIES_PER_MINUTE_PER_ADDRESS = variables.number("ENTRIES_PER_MINUTE_PER_ADDRESS", 60, least=0)
ENTRIES_PER_MINUTE = variables.number("ENTRIES_PER_MINUTE", 600, least=0)
# The time after which a colleague may take over a conversation in which nobody answers, in minutes.
TAKE_OVER_MINUTES = variables.number("TAKE_OVER_MINUTES", 5)
# The precision of a session's start and end after anonymization: day, week or month.
ERASURE_TIME_PRECISION = variables.one_of(
    "ERASURE_TIME_PRECISION", ["day", "week", "month"], default="month"
)
# The folder of the external copy of the erasure ledger, on another volume than the database. If it
# is empty, there is no external copy.
ERASURE_LEDGER_DIR = variables.folder("ERASURE_LEDGER_DIR")
# Files in a conversation: the maximum size in bytes, and the accepted file extensions.
ATTACHMENT_MAX_BYTES = variables.number("ATTACHMENT_MAX_BYTES", 10 * 1024 * 1024)
ATTACHMENT_EXTENSIONS = variables.several(
    "ATTACHMENT_EXTENSIONS",
    re.compile("[a-z0-9]+").fullmatch,
    "extensions in small letters such as pdf,png",
    default="pdf,png,jpg,jpeg,gif,webp,txt,csv,doc,docx,xls,xlsx,odt,ods",
)
MESSAGE_MAX_LENGTH = variables.number("MESSAGE_MAX_LENGTH", 4000)
# The data controller (GDPR Art. 13(1)(a)), shown to visitors on the page "My consent" and in its
# receipt.
CONTROLLER_NAME = variables.text("CONTROLLER_NAME")
CONTROLLER_ADDRESS = variables.text("CONTROLLER_ADDRESS")
CONTROLLER_CONTACT = variables.text("CONTROLLER_CONTACT")
# These settings are shown on the page Settings > GDPR.
DPA_CONTACT = variables.text("DPA_CONTACT")
DPA_SIGNED_ON = variables.day("DPA_SIGNED_ON")
DPA_COUNTERPARTY = variables.text("DPA_COUNTERPARTY")

# The web servers (gunicorn.conf.py, gunicorn.events.py) ---------------------------------------------------

HOST = variables.address_to_listen_on("HOST", default="127.0.0.1")
PORT = variables.number("PORT", 8000, most=65535)
WEB_WORKERS = variables.number("WEB_WORKERS", 2, most=1000)
EVENTS_PORT = variables.number("EVENTS_PORT", 8001, most=65535)
# The origin of the visitor pages in receipts. A receipt must not depend on the Host header.
_host = ALLOWED_HOSTS[0].removeprefix(".").replace("*", "localhost")
SITE_URL = variables.origin(
    "SITE_URL", default=f"https://{_host}" if HTTPS else f"http://{_host}:{PORT}"
)
if EVENTS_PORT == PORT:
    raise WrongEnvironment("EVENTS_PORT must be another port than PORT.")
EVENTS_WORKERS = variables.number("EVENTS_WORKERS", 1, most=1000)
WEB_LOG_LEVEL = variables.one_of(
    "WEB_LOG_LEVEL", ["debug", "info", "warning", "error", "critical"], default="warning"
)
