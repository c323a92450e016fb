"""gunicorn: threads under WSGI. The same form took half as many submits a second under an ASGI server."""

import os
import sys
from pathlib import Path
from runpy import run_path

from mluvii_gdpr.environment import WrongEnvironment

try:
    # Not as a module: workers that begin after a reload (SIGHUP) would inherit it instead of reading it again.
    our = run_path(str(Path(__file__).with_name("mluvii_gdpr") / "settings.py"))
except WrongEnvironment as wrong:
    sys.exit(f"gunicorn does not start: {wrong}")

wsgi_app = "mluvii_gdpr.wsgi"
bind = f"{our['HOST']}:{our['PORT']}"
worker_class = "gthread"
workers = our["WEB_WORKERS"]
threads = our["WEB_THREADS"]
timeout = 60
# Requests in flight when the server stops, such as an upload, may end.
graceful_timeout = 20
# While the database is away, a request that waits for it holds a thread. So the servers wait for a second only, and for
# the answer to a statement not much longer than any takes. Commands wait for longer.
os.environ.setdefault("DATABASE_TIMEOUT", "1")
os.environ.setdefault("DATABASE_ANSWER_WITHIN", "15")
# No access log: its lines would hold addresses of visitors and the secret URLs of their rooms.
accesslog = None
loglevel = our["WEB_LOG_LEVEL"]
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
