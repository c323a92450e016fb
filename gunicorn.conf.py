"""gunicorn: threads under WSGI. The same form took half as many submits a second under an ASGI server."""

import os

wsgi_app = "mluvii_gdpr.wsgi"
bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 60
# Requests in flight when the server stops, such as an upload, may end.
graceful_timeout = 20
# While the database is away, a request that waits for it holds a thread. So the servers wait for a second only, and for
# the answer to a statement not much longer than any takes. Commands wait for longer.
os.environ.setdefault("DATABASE_TIMEOUT", "1")
os.environ.setdefault("DATABASE_ANSWER_WITHIN", "15")
# No access log: its lines would hold addresses of visitors and the secret URLs of their rooms.
accesslog = None
loglevel = os.environ.get("WEB_LOG_LEVEL", "warning")
# What it says of a request that it could not read quotes none of it; an exception is its type and its frames.
logconfig_dict = {
    # These handlers replace gunicorn's own, so its root logger must name one of them.
    "root": {"level": loglevel.upper(), "handlers": ["impersonal"]},
    "filters": {
        "impersonal": {"()": "mluvii_gdpr.logs.WithoutRequest"},
        "few": {"()": "mluvii_gdpr.logs.FewOfAnOutage"},
    },
    "formatters": {
        "impersonal": {
            "()": "mluvii_gdpr.logs.ImpersonalFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {
        "impersonal": {
            "class": "logging.StreamHandler",
            "formatter": "impersonal",
            "filters": ["impersonal", "few"],
        }
    },
    "loggers": {
        "gunicorn.error": {"level": loglevel.upper(), "handlers": ["impersonal"], "propagate": False}
    },
}
# No control socket in the home folder: whoever runs the server stops it by a signal.
control_socket_disable = True
# Workers beat on a file; a memory file system never makes them wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
